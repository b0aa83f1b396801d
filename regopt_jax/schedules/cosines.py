"""Annealing along cosines, once or with restarts."""

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, Schedule, numbers
from regopt_jax._core.made import described
from regopt_jax._core.tolerance import strict
from regopt_jax.schedules.counts import LAST, as_count, as_float, cycles, fractions, remaining
from regopt_jax.schedules.decays import integer_power


def half_cosine(left: Array) -> Array:
    """½(1 + cos(π(1 - left))), as a sine that does not cancel where little is left."""
    return jnp.square(jnp.sin(jnp.pi / 2 * left))


@described
def cosine_decay_schedule(
    init_value: ArrayLike, decay_steps: int, alpha: ArrayLike = 0.0, exponent: ArrayLike = 1.0
) -> Schedule:
    r"""Anneal along half a cosine.

    .. math:: s(t) = I \left[(1-a) \left(\tfrac12(1 + \cos(π t/T))\right)^p + a\right],
       \quad \tfrac12(1 + \cos(π t/T)) = \sin^2\left(\tfrac{π}{2}\,\tfrac{T-t}{T}\right)

    Args:
      init_value: I.
      decay_steps: T > 0 steps, not only whole ones; the value stays :math:`aI` after them.
      alpha: a, the final share of the initial value.
      exponent: p.

    Raises:
      ValueError: ``decay_steps`` out of its range.

    Loshchilov & Hutter, *SGDR*, arXiv 1608.03983.

    >>> round(float(cosine_decay_schedule(1.0, decay_steps=10)(5)), 6)
    0.5
    """
    numbers.check("cosine_decay_schedule", decay_steps=(decay_steps, "(0, inf)"))

    def schedule(count: ArrayLike) -> Array:
        _, left = fractions(count if strict() else 1.0 * jnp.asarray(count), 0, decay_steps)
        share = (1 - as_float(alpha)) * half_cosine(left) ** as_float(exponent) + as_float(alpha)
        return as_float(init_value) * share

    return schedule


@described
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
      first_decay_steps: T, an integer ≥ 1.
      t_mul: m, an integer ≥ 1.
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
    numbers.check(
        "cosine_restarts",
        first_decay_steps=(first_decay_steps, "integer [1, inf)"),
        t_mul=(t_mul, "integer [1, inf)"),
        m_mul=(m_mul, "[0, inf)"),
    )
    starts = [0]
    if t_mul > 1:
        while (later := starts[-1] + first_decay_steps * t_mul ** (len(starts) - 1)) <= LAST:
            starts.append(later)
    # The last cycle may be longer than an int32 holds: by so many steps.
    beyond = max(0, first_decay_steps * t_mul ** (len(starts) - 1) - LAST)

    def schedule(count: ArrayLike) -> Array:
        if t_mul == 1:
            cycle, within = cycles(count, first_decay_steps)
            left = remaining(first_decay_steps, within) / as_float(first_decay_steps)
        else:
            count = jnp.minimum(as_count(count), LAST)
            cycle = jnp.zeros_like(count)
            within, length = count, jnp.full_like(count, min(first_decay_steps, LAST))
            for n, start in enumerate(starts[1:], 1):
                reached = count >= start
                cycle = jnp.where(reached, n, cycle)
                within = jnp.where(reached, count - start, within)
                length = jnp.where(reached, min(first_decay_steps * t_mul**n, LAST), length)
            rest = jnp.where(cycle == len(starts) - 1, as_float(beyond), 0)
            left = (as_float(length - within) + rest) / (as_float(length) + rest)
        peak = as_float(init_value) * integer_power(m_mul, cycle)
        return peak * ((1 - as_float(alpha)) * half_cosine(left) + as_float(alpha))

    return schedule
