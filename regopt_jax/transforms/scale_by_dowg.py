r"""DoWG: DoG with the gradients weighted by the distance."""

import jax
import jax.numpy as jnp
from optax.contrib import DoGState as DoGState, DoWGState as DoWGState

from regopt_jax._core import ArrayLike, GradientTransformation, Step, leafwise, transformation
from regopt_jax._core.arithmetic import copied
from regopt_jax.transforms.distance import Rate, distance_moved, scalar, scaled_by_rate, squared
from regopt_jax.transforms.second_moments import divisor


@transformation(init_estim_sq_dist="[0, inf) or None", eps="[0, inf)")
def scale_by_dowg(
    init_estim_sq_dist: ArrayLike | None = None, eps: ArrayLike = 1e-4
) -> GradientTransformation:
    r"""The step size of :func:`scale_by_dog` with gradients weighted by the distance then.

    .. math:: d_t = \max(d_{t-1}, \lVert W_t - W_0\rVert^2), \quad
       v_t = v_{t-1} + d_t \lVert g_t\rVert^2, \qquad u_t = \frac{d_t}{\sqrt{v_t} + ε}\, g_t

    Args:
      init_estim_sq_dist: d₀ ≥ 0; ε when ``None``.
      eps: ε ≥ 0.

    Raises:
      ValueError: a hyperparameter out of its range.

    Khaled, Mishchenko & Jin, *DoWG unleashed*, arXiv 2305.16284.

    >>> import jax.numpy as jnp
    >>> tx, w = scale_by_dowg(0.25, eps=0.0), jnp.array([1.0, 2.0])
    >>> tx.update(jnp.array([3.0, 4.0]), tx.init(w), w)[0].round(6).tolist()
    [0.30000001192092896, 0.4000000059604645]
    """
    first = eps if init_estim_sq_dist is None else init_estim_sq_dist

    def context(step: Step) -> Rate:
        with jax.numpy_dtype_promotion("standard"):
            d = jnp.maximum(step.state.estim_sq_dist, distance_moved("scale_by_dowg", step) ** 2)
            v = step.state.weighted_sq_norm_grads + d * squared(step.updates)
            return Rate(d / divisor(v, eps), d, v)

    return leafwise(
        scaled_by_rate,
        role="precondition",
        state=DoWGState,
        init=copied,
        context=context,
        scalars={
            "weighted_sq_norm_grads": lambda params: scalar(0.0, params),
            "estim_sq_dist": lambda params: scalar(first, params),
        },
        advance=lambda step, now: {
            "weighted_sq_norm_grads": now.gradients,
            "estim_sq_dist": now.distance,
        },
        needs_params=True,
    )
