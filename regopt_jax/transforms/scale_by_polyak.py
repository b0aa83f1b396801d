"""Polyak's step: as long as the loss's distance from its minimum allows."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation, Step, leafwise, transformation
from regopt_jax._core.arithmetic import at_least_float32
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.norms import scaled

_VARIANTS = ("sps", "sps+")


class LossNeededError(TypeError, ValueError):
    """An update that needs the loss got none: in Optax one error or the other."""


def loss_of(who: str, step: Step) -> Any:
    """The loss that ``update`` was given as ``value=``.

    Raises:
      LossNeededError: none was.
    """
    value = step.extra.get("value")
    if value is None:
        raise LossNeededError(
            f"{who}: the loss is needed; call update(updates, state, params, value=loss)."
        )
    return value


@transformation(f_min="(-inf, inf)", max_learning_rate="(0, inf]", eps="[0, inf)")
def scale_by_polyak(
    f_min: ArrayLike = 0.0,
    max_learning_rate: ArrayLike = 1.0,
    eps: ArrayLike = 0.0,
    variant: Literal["sps", "sps+"] = "sps",
) -> GradientTransformation:
    r"""Multiply the gradient by Polyak's step size.

    .. math:: u = g\, \min\left(\frac{L(W) - L^*}{\lVert g\rVert^2 + ε},\ γ\right)
       \quad\text{and } 0 \text{ where } \lVert g\rVert^2 + ε ≤ 2^{-52}

    ``update`` needs the loss, as ``value=``.

    Args:
      f_min: L*, a lower bound of the loss.
      max_learning_rate: γ > 0.
      eps: ε ≥ 0.
      variant: ``sps+`` takes a loss below L* for L*.

    Raises:
      ValueError: a hyperparameter out of its range.
      TypeError: (from ``update``) no ``value``.

    Loizou et al., *Stochastic Polyak step-size for SGD*, arXiv 2002.10542; Garrigos et al.,
    *Function value learning*, arXiv 2307.14528.

    >>> import jax.numpy as jnp
    >>> tx, w = scale_by_polyak(), jnp.array([3.0, 4.0])
    >>> tx.update(2 * w, tx.init(w), w, value=25.0)[0].tolist()
    [1.5, 2.0]
    """
    if variant not in _VARIANTS:
        raise ValueError(f"scale_by_polyak: variant must be one of {_VARIANTS}, got {variant!r}.")

    def step_size(step: Step) -> Array:
        value = loss_of("scale_by_polyak", step)
        wide = jax.tree.map(at_least_float32, step.updates)
        with jax.numpy_dtype_promotion("standard"):
            square = optax.tree.norm(wide, squared=True) + eps
        gap = jnp.asarray(value, square.dtype) - f_min
        if variant == "sps+":
            gap = jnp.maximum(gap, 0)
        flat = square <= jnp.finfo(float).eps
        size = jnp.minimum(gap / jnp.where(flat, 1, square), max_learning_rate)
        return jnp.where(flat, 0, size)

    return leafwise(scaled, role="precondition", context=step_size, elementwise=False)
