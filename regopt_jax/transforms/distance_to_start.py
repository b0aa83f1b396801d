r"""Step sizes from the distance to where training started: no learning rate to tune."""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from optax.contrib import DoGState as DoGState, DoWGState as DoWGState

from regopt_jax import _hyperparams, _trees
from regopt_jax._core import GradientTransformation
from regopt_jax._leafwise import Step, leafwise
from regopt_jax._states import ScaleByDistanceOverGradientsState
from regopt_jax._trees import Array, ArrayLike, PyTree, abs_sq, copied, real_dtype
from regopt_jax._vectors import global_norm
from regopt_jax.transforms.norms import norm, root, scaled

InitStep = tuple[Literal["distance", "learning_rate", "heuristic"], ArrayLike]
INIT_STEPS = ("distance", "learning_rate", "heuristic")


class _Rate(NamedTuple):
    """The step size, and the two sums that it is made of."""

    rate: Array
    distance: Array
    gradients: Array


def scale_by_dog(init_step: InitStep, eps: ArrayLike = 1e-8) -> GradientTransformation:
    r"""Multiply by the largest distance from the start over the root of all squared gradients.

    .. math:: \bar r_t = \max_{k≤t} \lVert W_k - W_0\rVert, \quad
       G_t = \sum_{k≤t} \lVert g_k\rVert^2, \qquad u_t = \frac{\bar r_t}{\sqrt{G_t + ε}}\, g_t

    Args:
      init_step: ``("distance", r)`` starts from :math:`\bar r_0 = r`; ``("heuristic", a)``
        from :math:`a (1 + \lVert W_0\rVert)`; ``("learning_rate", α)`` multiplies by α at
        the first step. The number is ≥ 0.
      eps: ε ≥ 0.

    Raises:
      ValueError: a hyperparameter out of its range.

    Ivgi, Hinder & Carmon, *DoG is SGD's best friend*, arXiv 2302.12022.

    >>> import jax.numpy as jnp
    >>> tx, w = scale_by_dog(("distance", 0.5), eps=0.0), jnp.array([1.0, 2.0])
    >>> tx.update(jnp.array([3.0, 4.0]), tx.init(w), w)[0].round(6).tolist()
    [0.30000001192092896, 0.4000000059604645]
    """
    kind, value = _hyperparams.pair("scale_by_dog", "init_step", init_step)
    if kind not in INIT_STEPS:
        raise ValueError(f"scale_by_dog: init_step must be one of {INIT_STEPS}, got {init_step!r}.")
    _hyperparams.check("scale_by_dog", init_step=(value, "[0, inf)"), eps=(eps, "[0, inf)"))

    def distance(params: PyTree) -> Array:
        if kind == "heuristic":
            return _scalar(value * (1 + global_norm(params)), params)
        return _scalar(value if kind == "distance" else 0.0, params)

    def context(step: Step) -> _Rate:
        with jax.numpy_dtype_promotion("standard"):
            r = jnp.maximum(step.state.max_dist, _distance("scale_by_dog", step))
            total = step.state.sum_sq_norm_grads + _squared(step.updates)
            rate = r / jnp.sqrt(total + eps)
            if kind == "learning_rate":
                rate = jnp.where(step.state.is_init_step, value, rate)
        return _Rate(rate, r, total)

    return leafwise(
        _scaled,
        name="scale_by_dog",
        role="precondition",
        hyperparams={"init_step": init_step, "eps": eps},
        state=DoGState,
        init=copied,
        context=context,
        scalars={
            "is_init_step": lambda params: jnp.asarray(True),
            "max_dist": distance,
            "sum_sq_norm_grads": lambda params: _scalar(0.0, params),
        },
        advance=lambda step, now: {
            "is_init_step": False,
            "max_dist": now.distance,
            "sum_sq_norm_grads": now.gradients,
        },
        needs_params=True,
    )


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
        distance = jnp.multiply(reps_rel, 1 + root(jnp.sum(abs_sq(p))))
        return distance, jnp.zeros(1), copied(p, dtype)

    def metric(distance: Array, squares: Array, start: Array, p: Array) -> Array:
        return jnp.sqrt(squares[0] + eps) / (distance * jnp.abs(global_scale))

    def update(
        g: Array, distance: Array, squares: Array, start: Array, p: Array
    ) -> tuple[Array, Array, Array, Array]:
        distance = jnp.maximum(jnp.real(distance), norm(p - start))
        squares = jnp.real(squares) + jnp.sum(abs_sq(g))
        rate = global_scale * (distance / jnp.sqrt(squares[0] + eps))
        return scaled(g, rate), distance, squares, start

    return leafwise(
        update,
        name=name,
        role="precondition",
        hyperparams={"reps_rel": reps_rel, "eps": eps, "global_scale": global_scale},
        state=ScaleByDistanceOverGradientsState,
        init=init,
        metric=metric,
        needs_params=True,
        elementwise=False,
        keep_dtype=True,
    )


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
    _hyperparams.check(
        "scale_by_dowg",
        init_estim_sq_dist=(init_estim_sq_dist, "[0, inf) or None"),
        eps=(eps, "[0, inf)"),
    )
    first = eps if init_estim_sq_dist is None else init_estim_sq_dist

    def context(step: Step) -> _Rate:
        with jax.numpy_dtype_promotion("standard"):
            d = jnp.maximum(step.state.estim_sq_dist, _distance("scale_by_dowg", step) ** 2)
            v = step.state.weighted_sq_norm_grads + d * _squared(step.updates)
            return _Rate(d / (jnp.sqrt(v) + eps), d, v)

    return leafwise(
        _scaled,
        name="scale_by_dowg",
        role="precondition",
        hyperparams={"init_estim_sq_dist": init_estim_sq_dist, "eps": eps},
        state=DoWGState,
        init=copied,
        context=context,
        scalars={
            "weighted_sq_norm_grads": lambda params: _scalar(0.0, params),
            "estim_sq_dist": lambda params: _scalar(first, params),
        },
        advance=lambda step, now: {
            "weighted_sq_norm_grads": now.gradients,
            "estim_sq_dist": now.distance,
        },
        needs_params=True,
    )


def _scaled(g: Array, start: Array, p: Array, now: _Rate) -> tuple[Array, Array]:
    return g * now.rate.astype(abs_sq(g).dtype), start


def _scalar(value: Any, params: PyTree) -> Array:
    return jnp.asarray(value, real_dtype(params))


def _squared(tree: PyTree) -> Array:
    return global_norm(tree) ** 2


def _distance(who: str, step: Step) -> Array:
    return global_norm(
        _trees.map_leaves(who, jnp.subtract, step.params, start=step.state.init_params)
    )
