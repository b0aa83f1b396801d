"""The shapes a hyperparameter can follow.

A schedule is traceable and takes a count of any size. Values are float64 under x64. ``begin``
shifts a shape.
"""

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, Schedule, numbers
from regopt_jax._core.made import described
from regopt_jax._core.tolerance import strict
from regopt_jax.schedules.counts import as_float, at_least_zero, fractions, whole_steps


def constant_like(value: ArrayLike, count: ArrayLike) -> Array:
    """``value`` for every count."""
    if not strict():
        return value  # type: ignore[return-value]
    return jnp.full(jnp.shape(count), as_float(value))


@described
def constant_schedule(value: ArrayLike) -> Schedule:
    """The same value at every step.

    Args:
      value: that value.

    >>> constant_schedule(0.1)(1000)
    0.1
    """
    return lambda count: value


@described
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
    numbers.check(
        "polynomial_schedule",
        power=(power, "[0, inf)"),
        transition_steps=(transition_steps, "[0, inf)"),
        transition_begin=(transition_begin, "[0, inf)"),
    )
    linear = numbers.is_number(power, 1)
    transition_begin = at_least_zero(transition_begin)

    def schedule(count: ArrayLike) -> Array:
        if transition_steps <= 0:
            return constant_like(init_value, count)
        done, left = fractions(count, transition_begin, transition_steps)
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


@described
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


@described
def linear_warmup(
    peak_value: ArrayLike, warmup_steps: int, init_value: ArrayLike = 0.0
) -> Schedule:
    r"""Rise in a straight line to the target and stay there, :math:`s(t) = α\min(1, t/T)`.

    Args:
      peak_value: α.
      warmup_steps: T, a whole number ≥ 0; with 0 the value is α from the start.
      init_value: the value at step 0.

    Raises:
      ValueError: ``warmup_steps`` is negative or not whole.

    Goyal et al., *Accurate, large minibatch SGD*, arXiv 1706.02677.

    >>> float(linear_warmup(0.1, 10)(5))
    0.05000000074505806
    """
    warmup_steps = whole_steps("linear_warmup", "warmup_steps", warmup_steps)
    start = peak_value if warmup_steps == 0 and strict() else init_value
    return linear_schedule(start, peak_value, warmup_steps)
