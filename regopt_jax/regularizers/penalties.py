"""Penalties on one array, at unit strength.

Each states its value, a gradient (a subgradient where there is none) and its proximal
map in a diagonal metric d > 0,

    prox(z) = argmin_x  ½ Σ d (x - z)² + λ r(x).
"""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp

from regopt_jax._trees import Array, ArrayLike, abs_sq


@dataclasses.dataclass(frozen=True)
class Penalty:
    """A penalty r on one array; subclasses give its value, gradient and proximal map.

    Attributes:
      quadratic: r is ½‖x‖², which the proximal map of any other penalty absorbs.
      order: where its proximal map comes in that of a sum (the lower first), where
        the two compose to the exact proximal map; ``None`` where that is not known.
    """

    quadratic: ClassVar[bool] = False
    order: ClassVar[int | None] = None

    def value(self, x: Array) -> Array:
        """r(x), a real scalar."""
        raise NotImplementedError

    def grad(self, x: Array) -> Array:
        """A subgradient of r at x; the smallest where there are several."""
        raise NotImplementedError

    def prox(self, z: Array, strength: ArrayLike, metric: ArrayLike) -> Array:
        """The proximal map of ``strength`` · r at z, in a metric that broadcasts to z."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class L1(Penalty):
    """r(x) = ‖x‖₁."""

    order: ClassVar[int | None] = 1

    def value(self, x: Array) -> Array:
        return jnp.sum(jnp.abs(x))

    def grad(self, x: Array) -> Array:
        return jnp.sign(x)

    def prox(self, z: Array, strength: ArrayLike, metric: ArrayLike) -> Array:
        """Soft thresholding, sign(z) (|z| - λ/d)₊."""
        return jnp.sign(z) * jnp.maximum(jnp.abs(z) - strength / metric, 0)


@dataclasses.dataclass(frozen=True)
class SquaredL2(Penalty):
    """r(x) = ½‖x‖²."""

    quadratic: ClassVar[bool] = True

    def value(self, x: Array) -> Array:
        return 0.5 * jnp.sum(abs_sq(x))

    def grad(self, x: Array) -> Array:
        return x

    def prox(self, z: Array, strength: ArrayLike, metric: ArrayLike) -> Array:
        """Shrinkage, z / (1 + λ/d)."""
        return z / (1 + strength / metric)
