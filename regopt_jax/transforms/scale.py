"""The size of the step: constants, learning rates and schedules.

``scale_by_learning_rate`` is the one place where the sign flips: everything before
it works on ascent directions, everything after it on steps.
"""

from typing import Any

import jax.numpy as jnp
import optax

from regopt_jax._core import Array, ArrayLike, GradientTransformation, ScalarOrSchedule, value_at
from regopt_jax._core.decorator import transformation
from regopt_jax._core.lift import Step, leafwise
from regopt_jax._core.tolerance import strict


@transformation(step_size="(-inf, inf)")
def scale(step_size: ArrayLike) -> GradientTransformation:
    r"""Multiply the updates by a constant, :math:`u = s\,g`.

    Args:
      step_size: the factor s, a scalar; negative to descend.

    Raises:
      TypeError: ``step_size`` is not a number.
      ValueError: it is not finite.

    >>> import jax.numpy as jnp
    >>> tx = scale(-0.5)
    >>> float(tx.update(jnp.array(2.0), tx.init(jnp.array(0.0)))[0])
    -1.0
    """
    return multiplied(step_size)


def multiplied(factor: ScalarOrSchedule, sign: int = 1) -> GradientTransformation:
    """The updates times a factor of either sign, or a schedule of one."""

    def signed(step: Step) -> ArrayLike:
        value = value_at(factor, step.count)
        if sign > 0:
            return value
        return -value if isinstance(value, int | float) else -jnp.asarray(value)

    def update(g: Array, s: Any) -> Any:
        return (jnp.asarray(s, g.dtype) if strict() or callable(factor) else s) * g

    def metric(s: ArrayLike) -> Array:
        return 1 / jnp.abs(s)

    return leafwise(
        update,
        role="step_size",
        state=optax.ScaleByScheduleState if callable(factor) else optax.EmptyState,
        context=signed,
        metric=metric,
        factor=signed,
    )
