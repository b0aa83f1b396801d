"""Penalties on the singular values of a matrix."""

import dataclasses

import jax
import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, ScalarOrSchedule
from regopt_jax._core.arithmetic import at_least_float32
from regopt_jax._core.decorator import numeric
from regopt_jax._core.magnitudes import quotient, scaled
from regopt_jax._core.sharding import gathered, scattered
from regopt_jax.regularizers.base import Regularizer
from regopt_jax.regularizers.penalties import Penalty, require_scalar
from regopt_jax.regularizers.penalty import penalty


@dataclasses.dataclass(frozen=True)
class Nuclear(Penalty, convex=True):
    """r(x) = the sum of the singular values of x, its last axis against the others."""

    def value(self, x: Array) -> Array:
        return jnp.sum(jnp.linalg.svd(_matrix(x), compute_uv=False))

    def grad(self, x: Array) -> Array:
        u, s, vh = jnp.linalg.svd(scaled(_matrix(x))[0], full_matrices=False)
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
        threshold = quotient(strength, jnp.reshape(metric, ()), power)
        return _like(z, _thresholded(near_one, threshold.astype(power.dtype)) * power)


@jax.custom_jvp
def _thresholded(x: Array, threshold: Array) -> Array:
    """U diag(f(σ)) Vᴴ with f(σ) = (σ - τ)₊."""
    u, s, vh = jnp.linalg.svd(x, full_matrices=False)
    return (u * _row(jnp.maximum(s - threshold, 0)).astype(u.dtype)) @ vh


@_thresholded.defjvp
def _turned(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    """Its derivative by divided differences of f, which no equal or missing σ leaves open.

    With E = Uᴴ dX V, that is U (A ∘ sym E + B ∘ skew E) Vᴴ, A the differences of f between σᵢ and
    σⱼ and B, as f is odd, those between σᵢ and -σⱼ; in what U or V leaves out, between σⱼ and 0.
    """
    (x, threshold), (dx, shift) = primals, tangents
    u, s, vh = jnp.linalg.svd(x, full_matrices=False)
    kept, identity = jnp.maximum(s - threshold, 0), (threshold <= 0).astype(s.dtype)
    present = jnp.where(s > threshold, 1, identity)
    e = u.conj().T @ dx @ vh.conj().T
    symmetric, skew = (e + e.conj().T) / 2, (e - e.conj().T) / 2

    def ratio(difference: Array, of: Array) -> Array:
        return jnp.where(of > 0, difference / jnp.where(of > 0, of, 1), identity)

    one, other = present[:, None], present[None, :]
    apart = jnp.abs(s[:, None] - s[None, :])
    crossing = ratio(jnp.maximum(kept[:, None], kept[None, :]), apart)
    a = jnp.where(one == other, one, crossing).astype(e.dtype)
    b = ratio(kept[:, None] + kept[None, :], s[:, None] + s[None, :]).astype(e.dtype)
    inside = a * symmetric + b * skew - jnp.diag(jnp.where(s > threshold, shift, 0)).astype(e.dtype)
    slope = u @ inside @ vh
    outside = _row(ratio(kept, s)).astype(e.dtype)
    if x.shape[0] > x.shape[1]:
        slope = slope + ((dx @ vh.conj().T - u @ e) * outside) @ vh
    elif x.shape[0] < x.shape[1]:
        slope = slope + (u * outside) @ (u.conj().T @ dx - e @ vh)
    return (u * _row(kept).astype(u.dtype)) @ vh, slope


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
