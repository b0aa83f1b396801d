"""Decay by factors: at given steps, every so many steps, or a little at each."""

import jax.numpy as jnp
import numpy as np

from regopt_jax._core import Array, ArrayLike, Schedule, numbers
from regopt_jax._core.made import described
from regopt_jax._core.promotion import weak
from regopt_jax._core.tolerance import strict
from regopt_jax.schedules.counts import (
    LAST,
    as_count,
    as_float,
    at_least_zero,
    before,
    cycles,
    since,
)
from regopt_jax.schedules.shapes import constant_like


@described
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
        numbers.check(
            "piecewise_constant_schedule", **{f"the scale at {boundary}": (factor, "[0, inf)")}
        )

    def schedule(count: ArrayLike) -> Array:
        count = as_count(count)
        value = constant_like(init_value, count)
        factor: ArrayLike = 1.0
        for boundary, scale in scales.items():
            factor = factor * scale
            value = jnp.where(before(count, boundary), value, as_float(init_value * factor))
        return value

    return schedule


def integer_power(base: ArrayLike, exponent: Array) -> Array:
    """``base ** exponent`` for whole exponents, at most 2³¹-1, by the powers of its binary digits.

    A float32 ``base`` raised at once would have its rounding error multiplied by the exponent.
    """
    exponent = jnp.minimum(exponent, LAST).astype(jnp.int32)
    concrete = isinstance(base, int | float | np.ndarray | np.generic)
    wide = np.asarray(base, np.float64) if concrete else as_float(base)
    digits = np.arange(31)
    with np.errstate(over="ignore", under="ignore"):
        powers = as_float(wide ** (2.0**digits))
    shape = (1,) * exponent.ndim + digits.shape
    bits = (exponent[..., None] >> jnp.reshape(jnp.asarray(digits, exponent.dtype), shape)) & 1
    return jnp.prod(jnp.where(bits == 1, jnp.reshape(powers, shape), 1), axis=-1)


@described
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
    numbers.check(
        "exponential_decay",
        transition_steps=(transition_steps, "[0, inf)"),
        decay_rate=(decay_rate, "[0, inf)"),
        transition_begin=(transition_begin, "[0, inf)"),
    )
    constant = transition_steps <= 0 or numbers.is_number(decay_rate, 0)
    transition_begin = at_least_zero(transition_begin)

    def schedule(count: ArrayLike) -> Array:
        if constant:
            return constant_like(init_value, count)
        elapsed = jnp.maximum(since(as_count(count), transition_begin), 0)
        whole, rest = cycles(elapsed, transition_steps)
        factor = integer_power(decay_rate, whole)
        if not staircase:
            factor = factor * as_float(decay_rate) ** (as_float(rest) / as_float(transition_steps))
        value = as_float(init_value) * factor
        if not strict() and jnp.asarray(count).weak_type:
            value = weak(value)
        if end_value is None:
            return value
        falling = jnp.asarray(decay_rate) < 1
        bound = as_float(end_value)
        return jnp.where(falling, jnp.maximum(value, bound), jnp.minimum(value, bound))

    return schedule


@described
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
    numbers.check("step_decay", every_steps=(every_steps, "[1, inf)"), factor=(factor, "(0, 1]"))
    return exponential_decay(init_value, every_steps, factor, staircase=True)
