"""Polyak's step: as long as the loss's distance from its minimum allows."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from regopt_jax import _hyperparams, _trees
from regopt_jax._core import GradientTransformation
from regopt_jax._trees import Array, ArrayLike, PyTree, at_least_float32
from regopt_jax.transforms.norms import scaled

_VARIANTS = ("sps", "sps+")


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
      ValueError: a hyperparameter out of its range; (from ``update``) no ``value``.

    Loizou et al., *Stochastic Polyak step-size for SGD*, arXiv 2002.10542; Garrigos et al.,
    *Function value learning*, arXiv 2307.14528.

    >>> import jax.numpy as jnp
    >>> tx, w = scale_by_polyak(), jnp.array([3.0, 4.0])
    >>> tx.update(2 * w, tx.init(w), w, value=25.0)[0].tolist()
    [1.5, 2.0]
    """
    _hyperparams.check(
        "scale_by_polyak",
        f_min=(f_min, "(-inf, inf)"),
        max_learning_rate=(max_learning_rate, "(0, inf]"),
        eps=(eps, "[0, inf)"),
    )
    if variant not in _VARIANTS:
        raise ValueError(f"scale_by_polyak: variant must be one of {_VARIANTS}, got {variant!r}.")

    def init(params: PyTree) -> optax.EmptyState:
        _trees.check_inexact("scale_by_polyak", params)
        return optax.EmptyState()

    def step_size(updates: PyTree, value: ArrayLike) -> Array:
        wide = jax.tree.map(at_least_float32, updates)
        with jax.numpy_dtype_promotion("standard"):
            square = optax.tree.norm(wide, squared=True) + eps
        gap = jnp.asarray(value, square.dtype) - f_min
        if variant == "sps+":
            gap = jnp.maximum(gap, 0)
        flat = square <= jnp.finfo(float).eps
        step = jnp.minimum(gap / jnp.where(flat, 1, square), max_learning_rate)
        return jnp.where(flat, 0, step)

    def update(
        updates: PyTree,
        state: Any,
        params: PyTree | None = None,
        *,
        value: ArrayLike | None = None,
        **_: Any,
    ) -> tuple[PyTree, Any]:
        if value is None:
            raise ValueError(
                "scale_by_polyak: the loss is needed; call "
                "update(updates, state, params, value=loss)."
            )
        step = step_size(updates, value)
        return _trees.map_leaves("scale_by_polyak", lambda g: scaled(g, step), updates), state

    return GradientTransformation(
        init,
        update,
        name="scale_by_polyak",
        role="precondition",
        hyperparams={
            "f_min": f_min,
            "max_learning_rate": max_learning_rate,
            "eps": eps,
            "variant": variant,
        },
    )
