"""The shapes a hyperparameter can follow.

A schedule is traceable and takes a count of any size up to 2³¹-1. Counts stay integers
until the last division, so that what is left of a schedule keeps its full relative
precision in float32, and values are float64 under x64. ``begin`` shifts a shape.
"""

import jax.numpy as jnp
import numpy as np

from regopt_jax import _hyperparams
from regopt_jax._hyperparams import Schedule
from regopt_jax._trees import Array, ArrayLike

_LAST = 2**31 - 1


def as_float(x: ArrayLike) -> Array:
    """``x`` in the widest float enabled: float64 under x64, float32 otherwise."""
    return jnp.asarray(x, dtype=jnp.result_type(float))


def _fractions(count: ArrayLike, begin: ArrayLike, steps: ArrayLike) -> tuple[Array, Array]:
    """The shares of a transition that are done and left, each to full relative precision."""
    done = jnp.clip(jnp.asarray(count) - begin, 0, steps)
    return as_float(done) / as_float(steps), as_float(steps - done) / as_float(steps)


def _constant(value: ArrayLike, count: ArrayLike) -> Array:
    return jnp.full(jnp.shape(count), as_float(value))


def constant_schedule(value: ArrayLike) -> Schedule:
    """The same value at every step.

    >>> constant_schedule(0.1)(1000)
    0.1
    """
    return lambda count: value


def polynomial_schedule(
    init_value: ArrayLike,
    end_value: ArrayLike,
    power: ArrayLike,
    transition_steps: int,
    transition_begin: int = 0,
) -> Schedule:
    r"""From one value to another along a power of the time left.

    .. math:: s(t) = E + (I - E) \left(1 - \frac{t-B}{T}\right)^p \quad (B ≤ t ≤ B+T)

    Args:
      init_value, end_value: I before and E after the transition.
      power: p ≥ 0.
      transition_steps: T ≥ 0 steps; with 0 the value stays I.
      transition_begin: B ≥ 0 steps.

    Raises:
      ValueError: a hyperparameter out of its range.

    >>> schedule = polynomial_schedule(1.0, 0.0, power=2, transition_steps=10)
    >>> float(schedule(5))
    0.25
    """
    _hyperparams.check(
        "polynomial_schedule",
        power=(power, "[0, inf)"),
        transition_steps=(transition_steps, "[0, inf)"),
        transition_begin=(transition_begin, "[0, inf)"),
    )
    linear = isinstance(power, int | float) and power == 1

    def schedule(count: ArrayLike) -> Array:
        if transition_steps == 0:
            return _constant(init_value, count)
        done, left = _fractions(count, transition_begin, transition_steps)
        if linear:
            return as_float(init_value) * left + as_float(end_value) * done
        # By the logarithm, 1 - leftᵖ does not cancel where little is done or p is small.
        over = left == 0
        going = jnp.where(over, 1, left)
        log = jnp.where(done < 0.5, jnp.log1p(-jnp.minimum(done, 0.5)), jnp.log(going))
        kept = jnp.where(over, as_float(as_float(power) == 0), going ** as_float(power))
        lost = jnp.where(over, 1 - kept, -jnp.expm1(as_float(power) * log))
        return as_float(init_value) * kept + as_float(end_value) * lost

    return schedule


def linear_schedule(
    init_value: ArrayLike, end_value: ArrayLike, transition_steps: int, transition_begin: int = 0
) -> Schedule:
    r"""From one value to another in a straight line, :math:`s(t) = I + (E-I)\,(t-B)/T`.

    Args:
      init_value, end_value: I before and E after the transition.
      transition_steps: T ≥ 0 steps; with 0 the value stays I.
      transition_begin: B ≥ 0 steps.

    >>> float(linear_schedule(0.0, 1.0, transition_steps=4)(1))
    0.25
    """
    return polynomial_schedule(init_value, end_value, 1, transition_steps, transition_begin)


def linear_warmup(
    peak_value: ArrayLike, warmup_steps: int, init_value: ArrayLike = 0.0
) -> Schedule:
    r"""Rise in a straight line to the target and stay there, :math:`s(t) = α\min(1, t/T)`.

    Args:
      peak_value: α.
      warmup_steps: T ≥ 0 steps; with 0 the value is α from the start.
      init_value: the value at step 0.

    Raises:
      ValueError: a negative ``warmup_steps``.

    Goyal et al., *Accurate, large minibatch SGD*, arXiv 1706.02677.

    >>> float(linear_warmup(0.1, 10)(5))
    0.05000000074505806
    """
    _hyperparams.check("linear_warmup", warmup_steps=(warmup_steps, "[0, inf)"))
    start = peak_value if warmup_steps == 0 else init_value
    return linear_schedule(start, peak_value, warmup_steps)


def piecewise_constant_schedule(
    init_value: ArrayLike, boundaries_and_scales: dict[int, float] | None = None
) -> Schedule:
    r"""Multiply by a factor at each boundary, :math:`s(t) = I \prod_{b_i ≤ t} f_i`.

    Args:
      init_value: I.
      boundaries_and_scales: step bᵢ to factor fᵢ ≥ 0.

    Raises:
      ValueError: a negative factor.

    >>> float(piecewise_constant_schedule(1.0, {10: 0.5, 20: 0.5})(20))
    0.25
    """
    scales = dict(sorted((boundaries_and_scales or {}).items()))
    for boundary, factor in scales.items():
        _hyperparams.check(
            "piecewise_constant_schedule", **{f"the scale at {boundary}": (factor, "[0, inf)")}
        )

    def schedule(count: ArrayLike) -> Array:
        value = _constant(init_value, count)
        factor: ArrayLike = 1.0
        for boundary, scale in scales.items():
            factor = factor * scale
            value = jnp.where(jnp.asarray(count) < boundary, value, as_float(init_value * factor))
        return value

    return schedule


def _integer_power(base: ArrayLike, exponent: Array) -> Array:
    """``base ** exponent`` for integers up to 2³¹-1, by the powers of its binary digits.

    A float32 ``base`` raised at once would have its rounding error multiplied by the exponent.
    """
    concrete = isinstance(base, int | float | np.ndarray | np.generic)
    wide = np.asarray(base, np.float64) if concrete else as_float(base)
    digits = np.arange(31)
    with np.errstate(over="ignore", under="ignore"):
        powers = as_float(wide ** (2.0**digits))
    shape = (1,) * exponent.ndim + digits.shape
    bits = (exponent[..., None] >> jnp.reshape(jnp.asarray(digits, exponent.dtype), shape)) & 1
    return jnp.prod(jnp.where(bits == 1, jnp.reshape(powers, shape), 1), axis=-1)


def exponential_decay(
    init_value: ArrayLike,
    transition_steps: int,
    decay_rate: ArrayLike,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: ArrayLike | None = None,
) -> Schedule:
    r"""Multiply by a rate every so many steps, :math:`s(t) = I\,ρ^{(t-B)/T}`.

    Args:
      init_value: I.
      transition_steps: T ≥ 0 steps; with 0 the value stays I.
      decay_rate: ρ ≥ 0; with 0 the value stays I, as in Optax.
      transition_begin: B ≥ 0 steps.
      staircase: whole powers only, the lecture's step decay.
      end_value: a bound on the value, from below if ρ < 1, else from above.

    Raises:
      ValueError: a hyperparameter out of its range.

    >>> float(exponential_decay(1.0, transition_steps=10, decay_rate=0.25)(5))
    0.5
    """
    _hyperparams.check(
        "exponential_decay",
        transition_steps=(transition_steps, "[0, inf)"),
        decay_rate=(decay_rate, "[0, inf)"),
        transition_begin=(transition_begin, "[0, inf)"),
    )
    constant = transition_steps == 0 or (isinstance(decay_rate, int | float) and decay_rate == 0)

    def schedule(count: ArrayLike) -> Array:
        if constant:
            return _constant(init_value, count)
        elapsed = jnp.maximum(jnp.asarray(count) - transition_begin, 0)
        if not jnp.issubdtype(elapsed.dtype, jnp.integer):
            whole, rest = jnp.divmod(elapsed, transition_steps)
            whole = whole.astype(jnp.int32)
        else:
            whole, rest = elapsed // transition_steps, elapsed % transition_steps
        factor = _integer_power(decay_rate, whole)
        if not staircase:
            factor = factor * as_float(decay_rate) ** (as_float(rest) / as_float(transition_steps))
        value = as_float(init_value) * factor
        if end_value is None:
            return value
        falling = jnp.asarray(decay_rate) < 1
        bound = as_float(end_value)
        return jnp.where(falling, jnp.maximum(value, bound), jnp.minimum(value, bound))

    return schedule


def step_decay(init_value: ArrayLike, every_steps: int, factor: ArrayLike = 0.1) -> Schedule:
    r"""Multiply by a factor every k steps, :math:`s(t) = α f^{⌊t/k⌋}`.

    Args:
      init_value: α.
      every_steps: k ≥ 1, in optimiser steps: epochs times steps an epoch.
      factor: f in (0, 1].

    Raises:
      ValueError: a hyperparameter out of its range.

    He et al., *Deep residual learning*, arXiv 1512.03385, section 3.4.

    >>> float(step_decay(1.0, every_steps=30)(60))
    0.009999999776482582
    """
    _hyperparams.check(
        "step_decay", every_steps=(every_steps, "[1, inf)"), factor=(factor, "(0, 1]")
    )
    return exponential_decay(init_value, every_steps, factor, staircase=True)


def _half_cosine(left: Array) -> Array:
    """½(1 + cos(π(1 - left))), as a sine that does not cancel where little is left."""
    return jnp.square(jnp.sin(jnp.pi / 2 * left))


def cosine_decay_schedule(
    init_value: ArrayLike, decay_steps: int, alpha: ArrayLike = 0.0, exponent: ArrayLike = 1.0
) -> Schedule:
    r"""Anneal along half a cosine.

    .. math:: s(t) = I \left[(1-a) \left(\tfrac12(1 + \cos(π t/T))\right)^p + a\right],
       \quad \tfrac12(1 + \cos(π t/T)) = \sin^2\left(\tfrac{π}{2}\,\tfrac{T-t}{T}\right)

    Args:
      init_value: I.
      decay_steps: T ≥ 1 steps; the value stays :math:`aI` after them.
      alpha: a, the final share of the initial value.
      exponent: p.

    Raises:
      ValueError: ``decay_steps`` out of its range.

    Loshchilov & Hutter, *SGDR*, arXiv 1608.03983.

    >>> round(float(cosine_decay_schedule(1.0, decay_steps=10)(5)), 6)
    0.5
    """
    _hyperparams.check("cosine_decay_schedule", decay_steps=(decay_steps, "(0, inf)"))

    def schedule(count: ArrayLike) -> Array:
        _, left = _fractions(count, 0, decay_steps)
        share = (1 - as_float(alpha)) * _half_cosine(left) ** as_float(exponent) + as_float(alpha)
        return as_float(init_value) * share

    return schedule


def cosine_restarts(
    init_value: ArrayLike,
    first_decay_steps: int,
    t_mul: int = 1,
    m_mul: ArrayLike = 1.0,
    alpha: ArrayLike = 0.0,
) -> Schedule:
    r"""Cosine annealing that starts again, each time longer and lower.

    Cycle n lasts :math:`T m^n` steps and starts from :math:`I q^n`.

    Args:
      init_value: I.
      first_decay_steps: T ≥ 1 steps.
      t_mul: m ≥ 1, an integer.
      m_mul: q ≥ 0.
      alpha: the share of a cycle's start that it ends on.

    Raises:
      ValueError: a hyperparameter out of its range.

    Loshchilov & Hutter, *SGDR*, arXiv 1608.03983; equals PyTorch's
    ``CosineAnnealingWarmRestarts`` with ``m_mul=1``.

    >>> schedule = cosine_restarts(1.0, first_decay_steps=10)
    >>> [round(float(schedule(t)), 6) for t in (0, 5, 10)]
    [1.0, 0.5, 1.0]
    """
    _hyperparams.check(
        "cosine_restarts",
        first_decay_steps=(first_decay_steps, "[1, inf)"),
        t_mul=(t_mul, "[1, inf)"),
        m_mul=(m_mul, "[0, inf)"),
    )
    starts = [0]
    if t_mul > 1:
        while (later := starts[-1] + first_decay_steps * t_mul ** (len(starts) - 1)) < 2**31:
            starts.append(later)
    # The last cycle may be longer than an int32 holds: by so many steps.
    beyond = max(0, first_decay_steps * t_mul ** (len(starts) - 1) - _LAST)

    def schedule(count: ArrayLike) -> Array:
        count = jnp.asarray(count)
        if t_mul == 1:
            cycle, within = count // first_decay_steps, count % first_decay_steps
            length: ArrayLike = first_decay_steps
        else:
            cycle = jnp.zeros_like(count)
            within, length = count, jnp.full_like(count, first_decay_steps)
            for n, start in enumerate(starts[1:], 1):
                reached = count >= start
                cycle = jnp.where(reached, n, cycle)
                within = jnp.where(reached, count - start, within)
                length = jnp.where(reached, min(first_decay_steps * t_mul**n, _LAST), length)
        rest = jnp.where(cycle == len(starts) - 1, as_float(beyond), 0)
        left = (as_float(length - within) + rest) / (as_float(length) + rest)
        peak = as_float(init_value) * _integer_power(m_mul, cycle.astype(jnp.int32))
        return peak * ((1 - as_float(alpha)) * _half_cosine(left) + as_float(alpha))

    return schedule
