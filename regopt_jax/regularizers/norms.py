"""Convex penalties that sum over elements: L1, L2, the elastic net, Huber's L1."""

import dataclasses

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, ScalarOrSchedule, abs_sq, numbers
from regopt_jax._core.decorator import numeric
from regopt_jax._core.magnitudes import shrunk
from regopt_jax.regularizers.base import Regularizer
from regopt_jax.regularizers.penalties import Penalty
from regopt_jax.regularizers.penalty import penalty


@dataclasses.dataclass(frozen=True)
class L1(Penalty, even=True, separable=True, convex=True):
    """r(x) = ‖x‖₁."""

    def precedes(self, other: Penalty) -> bool:
        return other.radial or (other.separable and other.indicator)

    def value(self, x: Array) -> Array:
        return jnp.sum(jnp.abs(x))

    def grad(self, x: Array) -> Array:
        return jnp.sign(x)

    def prox(self, z: Array, strength: ArrayLike, metric: Array) -> Array:
        return jnp.sign(z) * jnp.maximum(jnp.abs(z) - strength / metric, 0)


@dataclasses.dataclass(frozen=True)
class SquaredL2(Penalty, quadratic=True, even=True, separable=True, convex=True):
    """r(x) = ½‖x‖²."""

    def value(self, x: Array) -> Array:
        return 0.5 * jnp.sum(abs_sq(x))

    def grad(self, x: Array) -> Array:
        return x

    def prox(self, z: Array, strength: ArrayLike, metric: Array) -> Array:
        return shrunk(z, strength, metric)


@dataclasses.dataclass(frozen=True)
class HuberL1(Penalty, even=True, separable=True, convex=True):
    """r(x) = Σ x²/2δ where |x| ≤ δ, |x| - δ/2 elsewhere."""

    delta: float

    def precedes(self, other: Penalty) -> bool:
        return other.separable and other.indicator

    def value(self, x: Array) -> Array:
        size = jnp.abs(x)
        inside = abs_sq(x) / (2 * self.delta)
        return jnp.sum(jnp.where(size <= self.delta, inside, size - self.delta / 2))

    def grad(self, x: Array) -> Array:
        return x / jnp.maximum(jnp.abs(x), self.delta)

    def prox(self, z: Array, strength: ArrayLike, metric: Array) -> Array:
        threshold = strength / metric
        inside = shrunk(z, strength, metric, self.delta)
        return jnp.where(jnp.abs(z) <= self.delta + threshold, inside, z - threshold * jnp.sign(z))


@numeric
def l1(strength: ScalarOrSchedule) -> Regularizer:
    r""":math:`R(W) = λ \lVert W \rVert_1`, whose proximal map sets small weights to exactly zero.

    .. math:: \operatorname{prox}(z) = \operatorname{sign}(z)\,(|z| - λ/d)_+

    Args:
      strength: λ ≥ 0, a scalar or a schedule.

    Raises:
      ValueError: a negative strength.

    Tibshirani, *Regression shrinkage and selection via the lasso*, 1996.

    >>> import jax.numpy as jnp
    >>> l1(0.5).prox(jnp.array([2.0, 0.25])).tolist()
    [1.5, 0.0]
    """
    return penalty(L1(), strength, name="l1")


@numeric
def l2(strength: ScalarOrSchedule) -> Regularizer:
    r""":math:`R(W) = \tfrac{λ}{2} \lVert W \rVert_2^2`, whose gradient is :math:`λW`.

    The lecture's :math:`λ\lVert W\rVert_2^2` is ``l2(2 * λ)``.

    .. math:: \operatorname{prox}(z) = z / (1 + λ/d)

    Args:
      strength: λ ≥ 0, a scalar or a schedule.

    Raises:
      ValueError: a negative strength.

    >>> import jax.numpy as jnp
    >>> l2(0.5).grad(jnp.array([2.0, -4.0])).tolist()
    [1.0, -2.0]
    """
    return penalty(SquaredL2(), strength, name="l2")


@numeric
def elastic_net(l1_strength: ScalarOrSchedule, l2_strength: ScalarOrSchedule) -> Regularizer:
    r""":math:`R(W) = λ_1 \lVert W \rVert_1 + \tfrac{λ_2}{2} \lVert W \rVert_2^2`.

    .. math:: \operatorname{prox}(z) = \operatorname{sign}(z)\,(|z| - λ_1/d)_+ / (1 + λ_2/d)

    Args:
      l1_strength, l2_strength: λ₁, λ₂ ≥ 0, scalars or schedules.

    Raises:
      ValueError: a negative strength.

    Zou & Hastie, *Regularization and variable selection via the elastic net*, 2005.

    >>> import jax.numpy as jnp
    >>> elastic_net(0.5, 1.0).prox(jnp.array([2.5, 0.25])).tolist()
    [1.0, 0.0]
    """
    numbers.check(
        "elastic_net", l1_strength=(l1_strength, "[0, inf)"), l2_strength=(l2_strength, "[0, inf)")
    )
    return l1(l1_strength) + l2(l2_strength)


@numeric
def huber_l1(strength: ScalarOrSchedule, delta: float) -> Regularizer:
    r"""L1 made smooth at zero: :math:`R(W) = λ \sum_i h_δ(w_i)`, Huber's function.

    .. math:: h_δ(w) = w^2/2δ \;(|w| ≤ δ), \quad |w| - δ/2 \text{ beyond}; \qquad
       \operatorname{prox}(z) = z/(1 + λ/dδ) \;(|z| ≤ δ + λ/d),
       \quad z - \operatorname{sign}(z)\,λ/d \text{ beyond}

    Args:
      strength: λ ≥ 0, a scalar or a schedule.
      delta: δ > 0, where the parabola becomes a line.

    Raises:
      TypeError: ``delta`` is no single number.
      ValueError: a hyperparameter out of its range.

    >>> import jax.numpy as jnp
    >>> huber_l1(1.0, delta=0.5).grad(jnp.array([0.25, -3.0])).tolist()
    [0.5, -1.0]
    """
    delta = numbers.constant("huber_l1", "delta", delta, "(0, inf)")
    return penalty(HuberL1(delta), strength, name="huber_l1")
