r"""DoG for each array by itself."""

from typing import Any

import jax
import jax.numpy as jnp
from optax.contrib import DoGState as DoGState, DoWGState as DoWGState

from regopt_jax._core import GradientTransformation, leafwise, transformation
from regopt_jax._core.arithmetic import abs_sq, copied
from regopt_jax._core.optax_states import ScaleByDistanceOverGradientsState
from regopt_jax._core.tolerance import strict
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.norms import norm, root, scaled
from regopt_jax.transforms.second_moments import divisor


@transformation(reps_rel="(0, inf)", eps="[0, inf)", global_scale="(-inf, inf)")
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

    def init(p: Array) -> tuple[Array, Array, Array]:
        p = jnp.asarray(p, jax.dtypes.canonicalize_dtype(jnp.result_type(p)))
        distance = jnp.multiply(reps_rel, 1 + root(jnp.sum(abs_sq(p))))
        return distance, jnp.zeros(1), copied(p, param_dtype)

    def metric(distance: Array, squares: Array, start: Array, p: Array) -> Array:
        return divisor(squares[0], 0.0, eps) / (distance * jnp.abs(global_scale))

    def update(
        g: Array, distance: Array, squares: Array, start: Array, p: Array
    ) -> tuple[Array, Array, Array, Array]:
        distance = jnp.maximum(jnp.real(distance), norm(p - start))
        squares = jnp.real(squares) + jnp.sum(abs_sq(g))
        rate = global_scale * (distance / divisor(squares[0], 0.0, eps))
        vector = g if strict() else jnp.atleast_1d(g)  # as in Optax
        return scaled(vector, rate), distance, squares, start

    return leafwise(
        update,
        role="precondition",
        state=ScaleByDistanceOverGradientsState,
        init=init,
        metric=metric,
        needs_params=True,
        elementwise=False,
        keep_dtype=True,
    )
