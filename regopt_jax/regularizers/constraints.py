"""Sets that the weights must stay in, as regularisers.

The indicator of a set is 0 inside and infinite outside; its proximal map is the
projection, whatever the strength. Only ``proximal`` can place it: there is no gradient.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import optax.projections

from regopt_jax._core import Array, ArrayLike, numbers
from regopt_jax._core.decorator import numeric
from regopt_jax._core.magnitudes import norm, scaled
from regopt_jax.regularizers.base import Regularizer
from regopt_jax.regularizers.penalties import Penalty, require_scalar
from regopt_jax.regularizers.penalty import penalty


class _Indicator(Penalty, indicator=True, flat=True):
    """0 on a set, infinite outside; subclasses give the Euclidean projection."""

    def project(self, z: Array) -> Array:
        """The nearest point of the set."""
        raise NotImplementedError

    def projected(self, z: Array) -> Array:
        """:meth:`project` in the widest float, which Optax's projections promote to."""
        with jax.numpy_dtype_promotion("standard"):
            wide = z.astype(jnp.promote_types(z.dtype, jnp.result_type(float)))
            return self.project(wide).astype(z.dtype)

    def value(self, x: Array) -> Array:
        nearest = self.projected(x)
        size = jnp.max(jnp.maximum(jnp.abs(x), jnp.abs(nearest)), initial=0)
        inside = jnp.all(jnp.abs(x - nearest) <= 8 * jnp.finfo(x.dtype).eps * size)
        return jnp.where(inside, 0.0, jnp.inf).astype(x.real.dtype)

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
class Nonnegative(_Indicator, separable=True, convex=True):
    """x ≥ 0."""

    def precedes(self, other: Penalty) -> bool:
        return other.even

    def project(self, z: Array) -> Array:
        return optax.projections.projection_non_negative(z)


@dataclasses.dataclass(frozen=True)
class Box(_Indicator, separable=True, convex=True):
    """low ≤ x ≤ high."""

    low: float
    high: float

    def project(self, z: Array) -> Array:
        return optax.projections.projection_box(z, self.low, self.high)


@dataclasses.dataclass(frozen=True)
class L2Ball(_Indicator, convex=True, even=True, radial=True):
    """‖x‖₂ ≤ radius."""

    radius: float

    def project(self, z: Array) -> Array:
        near_one, power = scaled(z)
        size = norm(near_one)
        outside = size > self.radius / power
        return jnp.where(outside, near_one * (self.radius / jnp.where(outside, size, 1)), z)


@dataclasses.dataclass(frozen=True)
class L1Ball(_Indicator, convex=True, even=True):
    """‖x‖₁ ≤ radius."""

    radius: float

    def project(self, z: Array) -> Array:
        near_one, power = scaled(z)
        outside = jnp.sum(jnp.abs(near_one)) > self.radius / power
        return jnp.where(outside, jnp.sign(z) * _on_simplex(jnp.abs(z), self.radius), z)


@dataclasses.dataclass(frozen=True)
class Simplex(_Indicator, convex=True):
    """x ≥ 0, Σ x = total."""

    total: float

    def project(self, z: Array) -> Array:
        return _on_simplex(z, self.total)


def _on_simplex(z: Array, total: float) -> Array:
    """Where Σ (z - θ)₊ = total, from the largest down, as a shift of all elements is one of θ."""
    unit = 2.0 ** min(math.floor(math.log2(total)), 120)  # one whose inverse is a float32 too
    total = total / unit
    below = jnp.maximum((z - jnp.max(z, initial=-jnp.inf)) / unit, -total)  # others end at zero
    ordered = jnp.sort(below.ravel(), descending=True)
    counts = jnp.arange(1, z.size + 1, dtype=z.dtype)
    # By more than it rounds, or a point of the simplex would keep all its zeros, or none.
    least = counts * ordered * (1 + 16 * jnp.finfo(z.dtype).eps)
    stay = (ordered > -total) & (least > jnp.cumsum(ordered) - total)
    kept = below >= jnp.min(jnp.where(stay, ordered, jnp.inf), initial=jnp.inf)
    excess = jnp.sum(jnp.where(kept, below, 0)) - total
    shift = excess / jnp.maximum(jnp.sum(kept, dtype=z.dtype), 1)
    return jnp.where(kept, unit * jnp.maximum(below - shift, 0), 0)


@dataclasses.dataclass(frozen=True)
class UnitColumns(_Indicator):
    """‖x[..., j]‖₂ = 1 for every j."""

    def project(self, z: Array) -> Array:
        axes = tuple(range(z.ndim - 1))
        near_one, _ = scaled(z, axes)
        norms = norm(near_one, axes)
        level = 1 / jnp.sqrt(z.size / z.shape[-1])
        return jnp.where(norms > 0, near_one / jnp.where(norms > 0, norms, 1), level)


def nonnegative() -> Regularizer:
    """Weights ≥ 0, in any metric; adds to any penalty that does not see signs.

    >>> import jax.numpy as jnp
    >>> nonnegative().prox(jnp.array([2.0, -0.5])).tolist()
    [2.0, 0.0]
    """
    return penalty(Nonnegative(), name="nonnegative")


@numeric
def box(low: float, high: float) -> Regularizer:
    """Weights between ``low`` and ``high``, in any metric.

    Args:
      low: the lower bound, of all elements; ``.on(select(...))`` gives leaves bounds of their own.
      high: the upper bound, ≥ ``low``.

    Raises:
      TypeError: a bound is no single number.
      ValueError: ``low`` exceeds ``high``.

    >>> import jax.numpy as jnp
    >>> box(-1.0, 1.0).prox(jnp.array([2.0, -0.5])).tolist()
    [1.0, -0.5]
    """
    low = numbers.constant("box", "low", low, "[-inf, inf]")
    high = numbers.constant("box", "high", high, f"[{low}, inf]")
    return penalty(Box(low, high), name="box")


@numeric
def l2_ball(radius: float = 1.0) -> Regularizer:
    """Each array with a Euclidean norm of at most ``radius``, in a scalar metric.

    Args:
      radius: > 0.

    Raises:
      TypeError: the radius is no single number.
      ValueError: a radius out of its range; later, a diagonal metric.

    >>> import jax.numpy as jnp
    >>> l2_ball(5.0).prox(jnp.array([6.0, 8.0])).tolist()
    [3.0, 4.0]
    """
    radius = numbers.constant("l2_ball", "radius", radius, "(0, inf)")
    return penalty(L2Ball(radius), name="l2_ball")


@numeric
def l1_ball(radius: float = 1.0) -> Regularizer:
    """Each array with a sum of magnitudes of at most ``radius``, in a scalar metric.

    Args:
      radius: > 0.

    Raises:
      TypeError: the radius is no single number.
      ValueError: a radius out of its range; later, a diagonal metric.

    >>> import jax.numpy as jnp
    >>> l1_ball(1.0).prox(jnp.array([2.0, 0.5])).tolist()
    [1.0, 0.0]
    """
    radius = numbers.constant("l1_ball", "radius", radius, "(0, inf)")
    return penalty(L1Ball(radius), name="l1_ball")


@numeric
def simplex(total: float = 1.0) -> Regularizer:
    """Each array nonnegative with the sum ``total``, in a scalar metric.

    Args:
      total: > 0.

    Raises:
      TypeError: the total is no single number.
      ValueError: a total out of its range; later, a diagonal metric.

    >>> import jax.numpy as jnp
    >>> simplex().prox(jnp.array([1.0, 1.0])).tolist()
    [0.5, 0.5]
    """
    total = numbers.constant("simplex", "total", total, "(0, inf)")
    return penalty(Simplex(total), name="simplex")


def unit_columns() -> Regularizer:
    """Every column, along the last axis, of Euclidean norm 1, in a scalar metric.

    The set is not convex; a column of zeros projects to equal elements.

    >>> import jax.numpy as jnp
    >>> unit_columns().prox(jnp.array([[3.0, 0.0], [4.0, 2.0]])).tolist()
    [[0.6000000238418579, 0.0], [0.800000011920929, 1.0]]
    """
    return penalty(UnitColumns(), name="unit_columns")
