"""Distance over gradients: a step size from how far the weights have come."""

from typing import Any

import jax
import jax.numpy as jnp

from regopt_jax import _hyperparams, _trees
from regopt_jax._core import GradientTransformation
from regopt_jax._leafwise import leafwise
from regopt_jax._states import ScaleByDistanceOverGradientsState
from regopt_jax._trees import Array, ArrayLike, PyTree, abs_sq
from regopt_jax.transforms.norms import norm, root, scaled


def scale_by_distance_over_gradients(
    reps_rel: ArrayLike = 1e-6,
    eps: ArrayLike = 1e-8,
    param_dtype: Any = jnp.float32,
    global_scale: ArrayLike = 1.0,
) -> GradientTransformation:
    r"""Step each array by its largest distance from the start, over all its gradients (LDoG).

    .. math:: d_t = \max(d_{t-1}, \lVert W_t - W_0\rVert), \quad
       s_t = s_{t-1} + \lVert g_t\rVert^2, \qquad u_t = η \frac{d_t}{\sqrt{s_t + ε}}\, g_t

    with :math:`d_0 = r\,(1 + \lVert W_0\rVert)`. The authors average the weights.

    Args:
      reps_rel: r > 0; 1e-4 where batch normalisation is used.
      eps: ε ≥ 0.
      param_dtype: dtype of the kept copy of W₀.
      global_scale: η; -1 to descend.

    Raises:
      ValueError: a hyperparameter out of its range.

    Ivgi, Hinder & Carmon, *DoG is SGD's best friend*, arXiv 2302.12022.

    >>> import jax.numpy as jnp
    >>> tx, w = scale_by_distance_over_gradients(0.1, eps=0.0), jnp.array([3.0, 4.0])
    >>> tx.update(jnp.array([0.0, 7.0]), tx.init(w), w)[0].round(4).tolist()
    [0.0, 0.5999999642372131]
    """
    name = "scale_by_distance_over_gradients"
    _hyperparams.check(
        name,
        reps_rel=(reps_rel, "(0, inf)"),
        eps=(eps, "[0, inf)"),
        global_scale=(global_scale, "(-inf, inf)"),
    )

    def init(p: Array) -> tuple[Array, Array, Array]:
        p = jnp.asarray(p, jax.dtypes.canonicalize_dtype(jnp.result_type(p)))
        dtype = jax.dtypes.canonicalize_dtype(param_dtype)
        if jnp.iscomplexobj(p):
            with jax.numpy_dtype_promotion("standard"):
                dtype = jnp.promote_types(dtype, jnp.complex64)
        # A copy: a buffer in both the parameters and the state could not be donated.
        start = jnp.array(p, dtype, copy=True)
        distance = jnp.multiply(reps_rel, 1 + root(jnp.sum(abs_sq(p))))
        return distance, jnp.zeros(1), start

    def metric(distance: Array, squares: Array, start: Array) -> Array:
        return jnp.sqrt(squares[0] + eps) / (distance * jnp.abs(global_scale))

    def update(
        g: Array, distance: Array, squares: Array, start: Array, p: Array
    ) -> tuple[Array, Array, Array, Array]:
        distance = jnp.maximum(jnp.real(distance), norm(p - start))
        squares = jnp.real(squares) + jnp.sum(abs_sq(g))
        rate = global_scale * (distance / jnp.sqrt(squares[0] + eps))
        return scaled(g, rate), distance, squares, start

    tx = leafwise(
        update,
        name=name,
        role="precondition",
        hyperparams={"reps_rel": reps_rel, "eps": eps, "global_scale": global_scale},
        state=ScaleByDistanceOverGradientsState,
        init=init,
        metric=metric,
        needs_params=True,
        elementwise=False,
    )

    def in_their_dtype(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra_args: Any
    ) -> tuple[PyTree, Any]:
        wide, state = tx.update(updates, state, params, **extra_args)
        narrow = _trees.map_leaves(name, _in_dtype_of, wide, gradients=updates)
        return narrow, state

    return type(tx)(tx.init, in_their_dtype, **vars(tx))


def _in_dtype_of(u: Array, g: Array) -> Array:
    return u.astype(jnp.result_type(g))
