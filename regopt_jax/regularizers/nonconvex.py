"""Penalties that punish small weights more and large ones less than L1 does: L0, L½, L⅔.

They are not convex, but their proximal maps are known: zero up to a threshold, then a
jump to near the point itself, so that what survives is hardly shrunk.
"""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, ScalarOrSchedule
from regopt_jax._core.decorator import numeric
from regopt_jax.regularizers.base import Regularizer
from regopt_jax.regularizers.penalties import Penalty
from regopt_jax.regularizers.penalty import penalty


@dataclasses.dataclass(frozen=True)
class L0(Penalty, flat=True, even=True, separable=True):
    """r(x) = the number of elements that are not zero."""

    def value(self, x: Array) -> Array:
        return jnp.sum(x != 0).astype(x.real.dtype)

    def grad(self, x: Array) -> Array:
        return jnp.zeros_like(x)

    def prox(self, z: Array, strength: ArrayLike, metric: Array) -> Array:
        return jnp.where(jnp.abs(z) > jnp.sqrt(2 * strength / metric), z, 0)


class _Power(Penalty, even=True, separable=True):
    """r(x) = Σ |x|^q."""

    exponent: ClassVar[float]

    def value(self, x: Array) -> Array:
        return jnp.sum(jnp.abs(x) ** self.exponent)

    def grad(self, x: Array) -> Array:
        size = jnp.where(x == 0, 1, jnp.abs(x))
        return self.exponent * jnp.sign(x) * size ** (self.exponent - 1)


@dataclasses.dataclass(frozen=True)
class LHalf(_Power):
    """r(x) = Σ |x|^½."""

    exponent: ClassVar[float] = 1 / 2

    def prox(self, z: Array, strength: ArrayLike, metric: Array) -> Array:
        threshold = strength / metric
        kept = jnp.abs(z) > 54 ** (1 / 3) / 4 * (2 * threshold) ** (2 / 3)
        size = jnp.where(kept, jnp.abs(z), 1)
        angle = jnp.arccos(jnp.where(kept, threshold / 4 * (size / 3) ** -1.5, 0))
        return jnp.where(kept, 2 / 3 * z * (1 + jnp.cos(2 / 3 * (jnp.pi - angle))), 0)


@dataclasses.dataclass(frozen=True)
class LTwoThirds(_Power):
    """r(x) = Σ |x|^⅔."""

    exponent: ClassVar[float] = 2 / 3

    def prox(self, z: Array, strength: ArrayLike, metric: Array) -> Array:
        weight = 2 * strength / metric + jnp.zeros_like(z.real)
        kept = jnp.abs(z) > 2 / 3 * (3 * weight**3) ** (1 / 4)
        # At no strength the map is the identity, which the closed form only tends to.
        solved = kept & (weight > 0)
        size = jnp.where(solved, jnp.abs(z), 1)
        e = jnp.where(solved, weight, 1)
        cosh = jnp.where(solved, 27 * size**2 * e**-1.5 / 16, 1)
        a = 2 / jnp.sqrt(3) * e ** (1 / 4) * jnp.sqrt(jnp.cosh(jnp.arccosh(cosh) / 3))
        root = ((a + jnp.sqrt(jnp.maximum(2 * size / a - a**2, 0))) / 2) ** 3
        return jnp.where(solved, jnp.sign(z) * root, jnp.where(kept, z, 0))


@numeric
def l0(strength: ScalarOrSchedule) -> Regularizer:
    r""":math:`R(W) = λ\,\#\{i : w_i ≠ 0\}`, whose proximal map is hard thresholding.

    .. math:: \operatorname{prox}(z) = z \text{ where } |z| > \sqrt{2λ/d}, \text{ else } 0

    Its gradient is zero, so only ``proximal`` can act.

    Args:
      strength: λ ≥ 0, a scalar or a schedule.

    Raises:
      ValueError: a negative strength.

    >>> import jax.numpy as jnp
    >>> l0(0.5).prox(jnp.array([2.0, 0.75])).tolist()
    [2.0, 0.0]
    """
    return penalty(L0(), strength, name="l0")


@numeric
def l_half(strength: ScalarOrSchedule) -> Regularizer:
    r""":math:`R(W) = λ \sum_i |w_i|^{1/2}`.

    .. math:: \operatorname{prox}(z) = \tfrac23 z \left(1 + \cos\left(\tfrac23 (π -
       \arccos(\tfrac{τ}{4} (|z|/3)^{-3/2}))\right)\right)
       \text{ where } |z| > \tfrac{54^{1/3}}{4} (2τ)^{2/3}, \text{ else } 0; \quad τ = λ/d

    Args:
      strength: λ ≥ 0, a scalar or a schedule.

    Raises:
      ValueError: a negative strength.

    Xu et al., *L1/2 regularization: a thresholding representation theory*, 2012.

    >>> import jax.numpy as jnp
    >>> [round(x, 4) for x in l_half(0.5).prox(jnp.array([2.0, 0.5])).tolist()]
    [1.8144, 0.0]
    """
    return penalty(LHalf(), strength, name="l_half")


@numeric
def l_two_thirds(strength: ScalarOrSchedule) -> Regularizer:
    r""":math:`R(W) = λ \sum_i |w_i|^{2/3}`.

    .. math:: \operatorname{prox}(z) = \operatorname{sign}(z)
       \left(\frac{a + \sqrt{2|z|/a - a^2}}{2}\right)^3
       \text{ where } |z| > \tfrac23 (3e^3)^{1/4}, \text{ else } 0

    with :math:`e = 2λ/d`, :math:`a = \tfrac{2}{\sqrt3} e^{1/4} \sqrt{\cosh(φ/3)}`,
    :math:`φ = \operatorname{arccosh}(27 z^2 e^{-3/2} / 16)`.

    Args:
      strength: λ ≥ 0, a scalar or a schedule.

    Raises:
      ValueError: a negative strength.

    Cao, Sun & Xu, *Fast image deconvolution using closed-form thresholding formulas*, 2013.

    >>> import jax.numpy as jnp
    >>> [round(x, 4) for x in l_two_thirds(0.5).prox(jnp.array([2.0, 0.5])).tolist()]
    [1.7219, 0.0]
    """
    return penalty(LTwoThirds(), strength, name="l_two_thirds")
