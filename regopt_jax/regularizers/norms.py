"""Regularisers that are norms."""

from regopt_jax._hyperparams import ScalarOrSchedule
from regopt_jax.regularizers.base import Regularizer, of_penalty
from regopt_jax.regularizers.penalties import L1, SquaredL2


def l1(strength: ScalarOrSchedule) -> Regularizer:
    r""":math:`R(W) = λ \lVert W \rVert_1`, whose proximal map sets small weights to exactly zero.

    .. math:: \operatorname{prox}(z) = \operatorname{sign}(z)\,(|z| - λ/d)_+

    Args:
      strength: λ ≥ 0, a scalar or a schedule.

    Raises:
      ValueError: a negative strength.

    >>> import jax.numpy as jnp
    >>> l1(0.5).prox(jnp.array([2.0, -0.25])).tolist()
    [1.5, -0.0]
    """
    return of_penalty("l1", L1(), strength)


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
    return of_penalty("l2", SquaredL2(), strength)


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
    return l1(l1_strength) + l2(l2_strength)
