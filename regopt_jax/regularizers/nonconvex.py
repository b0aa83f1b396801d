"""Penalties that punish small weights more and large ones less than L1 does: L0, L½, L⅔.

They are not convex, but their proximal maps are known: zero up to a threshold, then a
jump to near the point itself, so that what survives is hardly shrunk.
"""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, ScalarOrSchedule
from regopt_jax._core.decorator import numeric
from regopt_jax._core.magnitudes import power_of_two, quotient
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
        return jnp.where(jnp.abs(z) > jnp.sqrt(2) * jnp.sqrt(strength) / jnp.sqrt(metric), z, 0)


class _Power(Penalty, even=True, separable=True):
    """r(x) = Σ |x|^q, with q = (n - 2)/(n - 1)."""

    degree: ClassVar[int]  # n

    @property
    def exponent(self) -> float:
        return (self.degree - 2) / (self.degree - 1)

    def value(self, x: Array) -> Array:
        return jnp.sum(jnp.abs(x) ** self.exponent)

    def grad(self, x: Array) -> Array:
        size = jnp.where(x == 0, 1, jnp.abs(x))
        return self.exponent * jnp.sign(x) * size ** (self.exponent - 1)

    def prox(self, z: Array, strength: ArrayLike, metric: Array) -> Array:
        """Where x = z sⁿ⁻¹ > 0 is stationary, sⁿ - s + qρ = 0 with ρ = λ/d |z|^(q-2)."""
        n, q = self.degree, self.exponent
        size = jnp.abs(z)
        power = power_of_two(size)
        near_one = jnp.where(size > 0, size * (1 / power), 1)
        weight = quotient(strength, metric, power) / _root(power, n - 1)
        rho = jnp.minimum(weight, 100) / (near_one * _root(near_one, n - 1))
        # There the two minima are equally low, and the greater one is at 2(1-q)/(2-q) z.
        limit = (2 * (1 - q) / (2 - q)) ** (2 - q) / (2 * (1 - q))
        kept = (size > 0) & (rho < limit)
        shift = jnp.where(kept, q * rho, 0)
        s = jnp.ones_like(shift)
        for _ in range(7):  # Newton's steps fall to the largest root: the last is for derivatives
            s = s - (s**n - s + shift) / (n * s ** (n - 1) - 1)
        return jnp.where(kept, z * s ** (n - 1), 0)


def _root(x: Array, n: int) -> Array:
    return jnp.sqrt(x) if n == 2 else jnp.cbrt(x)


@dataclasses.dataclass(frozen=True)
class LHalf(_Power):
    """r(x) = Σ |x|^½."""

    degree: ClassVar[int] = 3


@dataclasses.dataclass(frozen=True)
class LTwoThirds(_Power):
    """r(x) = Σ |x|^⅔."""

    degree: ClassVar[int] = 4


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

    .. math:: \operatorname{prox}(z) = z s^2 \text{ where } |z| > \tfrac32 τ^{2/3}, \text{ else } 0;
       \quad s^3 - s + \tfrac{τ}{2} |z|^{-3/2} = 0

    with τ = λ/d and s the largest root.

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

    .. math:: \operatorname{prox}(z) = z s^3 \text{ where } |z| > 2 (\tfrac23 τ)^{3/4},
       \text{ else } 0; \quad s^4 - s + \tfrac{2τ}{3} |z|^{-4/3} = 0

    with τ = λ/d and s the largest root.

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
