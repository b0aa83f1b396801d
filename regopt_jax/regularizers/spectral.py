"""Penalties on the singular values of a matrix."""

import dataclasses

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, ScalarOrSchedule
from regopt_jax._core.decorator import numeric
from regopt_jax._core.magnitudes import quotient, scaled
from regopt_jax._core.sharding import gathered, scattered
from regopt_jax._core.trees import at_least_float32
from regopt_jax.regularizers.base import Regularizer
from regopt_jax.regularizers.penalties import Penalty, require_scalar
from regopt_jax.regularizers.penalty import penalty


@dataclasses.dataclass(frozen=True)
class Nuclear(Penalty, convex=True):
    """r(x) = the sum of the singular values of x, its last axis against the others."""

    def value(self, x: Array) -> Array:
        return jnp.sum(jnp.linalg.svd(_matrix(x), compute_uv=False))

    def grad(self, x: Array) -> Array:
        u, s, vh = jnp.linalg.svd(_matrix(x), full_matrices=False)
        present = s > jnp.finfo(s.dtype).eps * max(x.shape) * jnp.max(s, initial=0)
        return _like(x, (u * _row(present.astype(s.dtype))) @ vh)

    def prox(self, z: Array, strength: ArrayLike, metric: Array) -> Array:
        require_scalar(
            metric,
            "nuclear_norm",
            "Use proximal with sgd, momentum or a sign method, whose metric is the scalar "
            "1/learning_rate, or place it by coupled or decoupled.",
        )
        near_one, power = scaled(_matrix(z))
        u, s, vh = jnp.linalg.svd(near_one, full_matrices=False)
        threshold = quotient(strength, jnp.reshape(metric, ()), power).astype(s.dtype)
        return _like(z, (u * _row(jnp.maximum(s - threshold, 0))) @ vh * power)


def _row(x: Array) -> Array:
    return jnp.reshape(x, (1, -1))


def _matrix(x: Array) -> Array:
    if x.ndim < 2:
        raise ValueError(
            f"nuclear_norm: an array of shape {x.shape} is not a matrix; restrict the "
            "regulariser with .on(select(min_ndim=2))."
        )
    return jnp.reshape(gathered(at_least_float32(x)), (-1, x.shape[-1]))


def _like(x: Array, matrix: Array) -> Array:
    return scattered(jnp.reshape(matrix, x.shape).astype(x.dtype), x)


@numeric
def nuclear_norm(strength: ScalarOrSchedule) -> Regularizer:
    r""":math:`R(W) = λ \sum_i σ_i(W)`, whose proximal map lowers the rank.

    .. math:: \operatorname{prox}(z) = U \operatorname{diag}((σ_i - λ/d)_+) V^\top

    In a scalar metric d only; a diagonal one has no closed form. An array with more
    than two axes is the matrix of its last axis against the others.

    Args:
      strength: λ ≥ 0, a scalar or a schedule.

    Raises:
      ValueError: a negative strength; later, a diagonal metric or a vector.

    Cai, Candès & Shen, *A singular value thresholding algorithm*, arXiv 0810.3286.

    >>> import jax.numpy as jnp
    >>> jnp.round(nuclear_norm(1.0).prox(jnp.diag(jnp.array([3.0, 0.5]))), 3).tolist()
    [[2.0, 0.0], [0.0, 0.0]]
    """
    return penalty(Nuclear(), strength, name="nuclear_norm")
