"""How far a point is from stationary."""

import jax.numpy as jnp

from regopt_jax._core import Array, PyTree, matching, trees, vectors
from regopt_jax.regularizers.base import Regularizer


def optimality(
    regularizer: Regularizer, params: PyTree, grads: PyTree, metric: PyTree = 1.0
) -> Array:
    r"""The natural residual of the conditions :math:`0 ∈ ∇f(W) + ∂R(W)`.

    .. math:: \lVert W - \operatorname{prox}^D_R(W - D^{-1} ∇f(W)) \rVert

    Zero exactly where they hold, whatever the metric; for a set it is the distance that a
    projected gradient step moves.

    Args:
      regularizer: R.
      params: W.
      grads: :math:`∇f(W)` of the loss alone, a tree like ``params``.
      metric: D > 0, a scalar or a tree like ``params``.

    Returns:
      A scalar ≥ 0.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> float(optimality(ro.l1(1.0), jnp.array([2.0, 0.0]), jnp.array([-1.0, 0.5])))
    0.0
    """
    metric = trees.spread(metric, params)

    def step(p: Array, g: Array, d: Array) -> Array:
        return p - g / d

    stepped = matching.map_leaves(
        "optimality", step, params, gradients=grads, metric=metric, broadcast=("metric",)
    )
    settled = regularizer.prox(stepped, metric)
    return vectors.global_norm(
        matching.map_leaves("optimality", jnp.subtract, params, parameters=settled)
    )
