"""Solutions along a range of strengths."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from regopt_jax._core import ArrayLike, PyTree
from regopt_jax.regularizers.base import Regularizer


def regularization_path(
    fit: Callable[[Regularizer, PyTree], PyTree],
    regularizer: Regularizer,
    strengths: ArrayLike,
    init: PyTree,
) -> PyTree:
    r"""Solve for :math:`sR` at each strength s, each from the solution of the one before.

    Args:
      fit: ``fit(regularizer, start) -> params``; traceable, such as a call of :func:`fista`.
      regularizer: R.
      strengths: shape (n,), the factors s; from strong to weak is cheapest.
      init: where the first fit starts.

    Returns:
      A tree like ``init`` with a first axis of length n. For independent starts use
      ``jax.vmap(lambda s: fit(s * R, init))(strengths)``.

    Friedman, Hastie & Tibshirani, *Regularization paths for generalized linear models*, 2010.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> target = jnp.array([3.0, 1.0])
    >>> fit = lambda R, w: ro.fista(lambda w: 0.5 * jnp.sum((w - target) ** 2), R, w).params
    >>> along = regularization_path(fit, ro.l1(1.0), jnp.array([2.0, 0.5]), jnp.zeros(2))
    >>> jnp.round(along, 4).tolist()
    [[1.0, 0.0], [2.5, 0.5]]
    """

    def following(start: PyTree, strength: jax.Array) -> tuple[PyTree, PyTree]:
        params = fit(strength * regularizer, start)
        return params, params

    return jax.lax.scan(following, init, jnp.asarray(strengths))[1]
