"""The size of the step: constants, learning rates and schedules.

``scale_by_learning_rate`` is the one place where the sign flips: everything before
it works on ascent directions, everything after it on steps.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import optax

from regopt_jax import _hyperparams
from regopt_jax._core import GradientTransformation
from regopt_jax._hyperparams import ScalarOrSchedule, Schedule
from regopt_jax._leafwise import Step, leafwise, unit_metric
from regopt_jax._trees import Array, ArrayLike


def identity() -> GradientTransformation:
    """Pass the updates through unchanged.

    >>> import jax.numpy as jnp
    >>> tx = identity()
    >>> float(tx.update(jnp.array(2.0), tx.init(jnp.array(0.0)))[0])
    2.0
    """
    return leafwise(lambda g: g, name="identity", role="gradient", metric=unit_metric)


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
    _hyperparams.check("scale", step_size=(step_size, "(-inf, inf)"))
    return _scale("scale", step_size, {"step_size": step_size})


def scale_by_schedule(step_size_fn: Schedule) -> GradientTransformation:
    r"""Multiply the updates by a schedule, :math:`u_t = s(t)\,g_t`, with t from 0.

    Args:
      step_size_fn: from the number of updates done (an int32 scalar) to the factor;
        negative to descend.

    Raises:
      TypeError: ``step_size_fn`` is no function.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_schedule(lambda t: -1.0 / (t + 1))
    >>> state = tx.init(jnp.array(0.0))
    >>> for _ in range(2):
    ...     u, state = tx.update(jnp.array(1.0), state)
    >>> float(u)
    -0.5
    """
    if not callable(step_size_fn):
        raise TypeError(
            f"scale_by_schedule: step_size_fn must be a function of the step, got "
            f"{step_size_fn!r}; use scale for a constant."
        )
    return _scale("scale_by_schedule", step_size_fn, {"step_size_fn": step_size_fn})


def scale_by_learning_rate(
    learning_rate: ScalarOrSchedule | None = None, *, flip_sign: bool = True
) -> GradientTransformation:
    r"""Multiply the updates by minus the learning rate, :math:`u_t = -α_t\,g_t`.

    Args:
      learning_rate: α, a scalar ≥ 0 or a schedule; ``None`` for no scaling at all, which
        leaves the direction of ascent.
      flip_sign: whether to turn the ascent direction into a descent step.

    Raises:
      ValueError: a negative learning rate.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_learning_rate(0.1)
    >>> float(tx.update(jnp.array(5.0), tx.init(jnp.array(0.0)))[0])
    -0.5
    """
    if learning_rate is None:
        return identity()
    _hyperparams.check("scale_by_learning_rate", learning_rate=(learning_rate, "[0, inf)"))
    hyperparams = {"learning_rate": learning_rate} | ({} if flip_sign else {"flip_sign": False})
    return _scale("scale_by_learning_rate", learning_rate, hyperparams)


def descend() -> GradientTransformation:
    r"""Turn directions that have a size of their own into steps, :math:`u = -g`."""
    return leafwise(jnp.negative, name="descend", role="step", metric=unit_metric)


def given_factor(hyperparams: Mapping[str, Any]) -> ScalarOrSchedule | None:
    """The hyperparameter that is a factor of the step, if one is."""
    names = ("learning_rate", "step_size", "step_size_fn")
    return next((hyperparams[name] for name in names if name in hyperparams), None)


def signed_factor(hyperparams: Mapping[str, Any], count: Any) -> ArrayLike:
    """What a part of role ``step_size`` multiplies its update number ``count`` by."""
    factor = given_factor(hyperparams)
    if factor is None:
        raise ValueError(
            "A part of role step_size must have a hyperparameter learning_rate, step_size or "
            f"step_size_fn; one has {list(hyperparams)}."
        )
    value = _hyperparams.at(factor, count)
    if "learning_rate" not in hyperparams or not hyperparams.get("flip_sign", True):
        return value
    return -value if isinstance(value, int | float) else -jnp.asarray(value)


def _scale(
    name: str, factor: ScalarOrSchedule, hyperparams: Mapping[str, Any]
) -> GradientTransformation:
    def context(step: Step) -> ArrayLike:
        return signed_factor(hyperparams, step.count)

    def update(g: Array, s: ArrayLike) -> Array:
        return jnp.asarray(s, g.dtype) * g

    def metric(s: ArrayLike) -> Array:
        return 1 / jnp.abs(s)

    return leafwise(
        update,
        name=name,
        role="step_size",
        hyperparams=hyperparams,
        state=optax.ScaleByScheduleState if callable(factor) else optax.EmptyState,
        context=context,
        metric=metric,
    )
