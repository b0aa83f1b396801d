"""Sets that the weights must stay in, as regularisers.

The indicator of a set is 0 inside and infinite outside; its proximal map is the
projection, whatever the strength. Only ``proximal`` can place it: there is no gradient.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import optax.projections

from regopt_jax import _hyperparams
from regopt_jax._trees import Array, ArrayLike, abs_sq
from regopt_jax.regularizers.base import Regularizer, of_penalty
from regopt_jax.regularizers.penalties import Penalty, require_scalar


class _Indicator(Penalty):
    """0 on a set, infinite outside; subclasses give the Euclidean projection."""

    indicator: ClassVar[bool] = True
    flat: ClassVar[bool] = True

    def project(self, z: Array) -> Array:
        """The nearest point of the set."""
        raise NotImplementedError

    def projected(self, z: Array) -> Array:
        """:meth:`project` in the widest float, which Optax's projections promote to."""
        with jax.numpy_dtype_promotion("standard"):
            wide = z.astype(jnp.promote_types(z.dtype, jnp.result_type(float)))
            return self.project(wide).astype(z.dtype)

    def value(self, x: Array) -> Array:
        slack = 8 * jnp.finfo(x.dtype).eps * jnp.maximum(jnp.max(jnp.abs(x), initial=0), 1)
        inside = jnp.all(jnp.abs(x - self.projected(x)) <= slack)
        return jnp.where(inside, 0.0, jnp.inf).astype(x.dtype)

    def grad(self, x: Array) -> Array:
        return jnp.zeros_like(x)

    def prox(self, z: Array, strength: ArrayLike, metric: Array) -> Array:
        if not self.separable:
            require_scalar(
                metric,
                type(self).__name__,
                "Its projection in that metric is not the Euclidean one. Use proximal with sgd, "
                "momentum or a sign method.",
            )
        return self.projected(z)


@dataclasses.dataclass(frozen=True)
class Nonnegative(_Indicator):
    """x ≥ 0."""

    separable: ClassVar[bool] = True
    convex: ClassVar[bool] = True

    def precedes(self, other: Penalty) -> bool:
        return other.even

    def project(self, z: Array) -> Array:
        return optax.projections.projection_non_negative(z)


@dataclasses.dataclass(frozen=True)
class Box(_Indicator):
    """low ≤ x ≤ high."""

    low: float
    high: float

    separable: ClassVar[bool] = True
    convex: ClassVar[bool] = True

    def project(self, z: Array) -> Array:
        return optax.projections.projection_box(z, self.low, self.high)


@dataclasses.dataclass(frozen=True)
class L2Ball(_Indicator):
    """‖x‖₂ ≤ radius."""

    radius: float

    convex: ClassVar[bool] = True
    even: ClassVar[bool] = True
    radial: ClassVar[bool] = True

    def project(self, z: Array) -> Array:
        norm = jnp.sqrt(jnp.sum(abs_sq(z)))
        return z * jnp.where(norm > self.radius, self.radius / norm, 1)


@dataclasses.dataclass(frozen=True)
class L1Ball(_Indicator):
    """‖x‖₁ ≤ radius."""

    radius: float

    convex: ClassVar[bool] = True
    even: ClassVar[bool] = True

    def project(self, z: Array) -> Array:
        return optax.projections.projection_l1_ball(z.ravel(), self.radius).reshape(z.shape)


@dataclasses.dataclass(frozen=True)
class Simplex(_Indicator):
    """x ≥ 0, Σ x = total."""

    total: float

    convex: ClassVar[bool] = True

    def project(self, z: Array) -> Array:
        return optax.projections.projection_simplex(z.ravel(), self.total).reshape(z.shape)


@dataclasses.dataclass(frozen=True)
class UnitColumns(_Indicator):
    """‖x[..., j]‖₂ = 1 for every j."""

    def project(self, z: Array) -> Array:
        norms = jnp.sqrt(jnp.sum(abs_sq(z), axis=tuple(range(z.ndim - 1)), keepdims=True))
        return jnp.where(
            norms > 0, z / jnp.where(norms > 0, norms, 1), 1 / jnp.sqrt(z.size / z.shape[-1])
        )


def nonnegative() -> Regularizer:
    """Weights ≥ 0, in any metric; adds to any penalty that does not see signs.

    >>> import jax.numpy as jnp
    >>> nonnegative().prox(jnp.array([2.0, -0.5])).tolist()
    [2.0, 0.0]
    """
    return of_penalty("nonnegative", Nonnegative(), 1.0)


def box(low: float, high: float) -> Regularizer:
    """Weights between ``low`` and ``high``, in any metric.

    Args:
      low: the lower bound.
      high: the upper bound, ≥ ``low``.

    Raises:
      ValueError: ``low`` exceeds ``high``.

    >>> import jax.numpy as jnp
    >>> box(-1.0, 1.0).prox(jnp.array([2.0, -0.5])).tolist()
    [1.0, -0.5]
    """
    _hyperparams.check("box", high=(high, f"[{low}, inf]"))
    return of_penalty("box", Box(low, high), 1.0)


def l2_ball(radius: float = 1.0) -> Regularizer:
    """Each array with a Euclidean norm of at most ``radius``, in a scalar metric.

    Args:
      radius: > 0.

    Raises:
      ValueError: a radius out of its range; later, a diagonal metric.

    >>> import jax.numpy as jnp
    >>> l2_ball(5.0).prox(jnp.array([6.0, 8.0])).tolist()
    [3.0, 4.0]
    """
    _hyperparams.check("l2_ball", radius=(radius, "(0, inf)"))
    return of_penalty("l2_ball", L2Ball(radius), 1.0)


def l1_ball(radius: float = 1.0) -> Regularizer:
    """Each array with a sum of magnitudes of at most ``radius``, in a scalar metric.

    Args:
      radius: > 0.

    Raises:
      ValueError: a radius out of its range; later, a diagonal metric.

    >>> import jax.numpy as jnp
    >>> l1_ball(1.0).prox(jnp.array([2.0, 0.5])).tolist()
    [1.0, 0.0]
    """
    _hyperparams.check("l1_ball", radius=(radius, "(0, inf)"))
    return of_penalty("l1_ball", L1Ball(radius), 1.0)


def simplex(total: float = 1.0) -> Regularizer:
    """Each array nonnegative with the sum ``total``, in a scalar metric.

    Args:
      total: > 0.

    Raises:
      ValueError: a total out of its range; later, a diagonal metric.

    >>> import jax.numpy as jnp
    >>> simplex().prox(jnp.array([1.0, 1.0])).tolist()
    [0.5, 0.5]
    """
    _hyperparams.check("simplex", total=(total, "(0, inf)"))
    return of_penalty("simplex", Simplex(total), 1.0)


def unit_columns() -> Regularizer:
    """Every column, along the last axis, of Euclidean norm 1, in a scalar metric.

    The set is not convex; a column of zeros projects to equal elements.

    >>> import jax.numpy as jnp
    >>> unit_columns().prox(jnp.array([[3.0, 0.0], [4.0, 2.0]])).tolist()
    [[0.6000000238418579, 0.0], [0.800000011920929, 1.0]]
    """
    return of_penalty("unit_columns", UnitColumns(), 1.0)
