r"""DoG: the distance to the start over the gradients so far."""

from typing import Literal

import jax
import jax.numpy as jnp
from optax.contrib import DoGState as DoGState, DoWGState as DoWGState

from regopt_jax._core import GradientTransformation, Step, leafwise, numbers, transformation
from regopt_jax._core.arithmetic import copied
from regopt_jax._core.trees import Array, ArrayLike, PyTree
from regopt_jax._core.vectors import global_norm
from regopt_jax.transforms.distance import Rate, distance_moved, scalar, scaled_by_rate, squared
from regopt_jax.transforms.second_moments import divisor

InitStep = tuple[Literal["distance_moved", "learning_rate", "heuristic"], ArrayLike]

INIT_STEPS = ("distance", "learning_rate", "heuristic")


@transformation(eps="[0, inf)")
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
    kind, value = numbers.pair("scale_by_dog", "init_step", init_step)
    if kind not in INIT_STEPS:
        raise ValueError(f"scale_by_dog: init_step must be one of {INIT_STEPS}, got {init_step!r}.")
    numbers.check("scale_by_dog", init_step=(value, "[0, inf)"))

    def distance(params: PyTree) -> Array:
        if kind == "heuristic":
            return scalar(value * (1 + global_norm(params)), params)
        return scalar(value if kind == "distance" else 0.0, params)

    def context(step: Step) -> Rate:
        with jax.numpy_dtype_promotion("standard"):
            r = jnp.maximum(step.state.max_dist, distance_moved("scale_by_dog", step))
            total = step.state.sum_sq_norm_grads + squared(step.updates)
            rate = r / divisor(total, 0.0, eps)
            if kind == "learning_rate":
                rate = jnp.where(step.state.is_init_step, value, rate)
        return Rate(rate, r, total)

    return leafwise(
        scaled_by_rate,
        role="precondition",
        state=DoGState,
        init=copied,
        context=context,
        scalars={
            "is_init_step": lambda params: jnp.asarray(True),
            "max_dist": distance,
            "sum_sq_norm_grads": lambda params: scalar(0.0, params),
        },
        advance=lambda step, now: {
            "is_init_step": False,
            "max_dist": now.distance,
            "sum_sq_norm_grads": now.gradients,
        },
        needs_params=True,
    )
