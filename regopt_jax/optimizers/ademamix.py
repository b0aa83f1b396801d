"""AdEMAMix: AdamW that also remembers old gradients; and its simplified kind."""

from typing import Any

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import Mask, chain
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.scale_by_ademamix import scale_by_ademamix
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_simplified_ademamix import scale_by_simplified_ademamix


@transformation()
def ademamix(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    b3: ScalarOrSchedule = 0.9999,
    alpha: ScalarOrSchedule = 5.0,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    mu_dtype: Any = None,
    weight_decay: ScalarOrSchedule = 0.0,
    mask: Mask | None = None,
) -> GradientTransformation:
    r"""AdEMAMix: AdamW with a second, slow mean of the gradients.

    .. math:: W ← W - η \left(\frac{\hat m_t + α s_t}{\sqrt{\hat r_t} + ε} + λ W\right)

    Args:
      learning_rate: η ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, b3, alpha, eps, eps_root, mu_dtype: see :func:`scale_by_ademamix`.
      weight_decay: λ ≥ 0 or a schedule; multiplied by η.
      mask: which leaves to decay; see :func:`masked`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Pagliardini, Ablin & Grangier, *The AdEMAMix optimizer*, arXiv 2409.03137.

    >>> import jax.numpy as jnp
    >>> tx, w = ademamix(0.1, b3=0.5, alpha=6.0), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -0.4
    """
    return chain(
        scale_by_ademamix(b1, b2, b3, alpha, eps, eps_root, mu_dtype),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


@transformation()
def simplified_ademamix(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.99,
    b2: ArrayLike = 0.95,
    alpha: ScalarOrSchedule = 0.0,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    weight_decay: ScalarOrSchedule = 0.0,
    mask: Mask | None = None,
) -> GradientTransformation:
    r"""Simplified AdEMAMix: AdamW of a trace and a multiple of the gradient, in one array.

    .. math:: W ← W - η \left(\frac{m_t + α g_t}{\sqrt{\hat r_t} + ε} + λ W\right), \qquad
       m_t = β_1 m_{t-1} + g_t

    With α = 0 this is Adam's step times about :math:`1/(1-β_1)`.

    Args:
      learning_rate: η ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, alpha, eps, eps_root: see :func:`scale_by_simplified_ademamix`.
      weight_decay: λ ≥ 0 or a schedule; multiplied by η.
      mask: which leaves to decay; see :func:`masked`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Morwani et al., *Connections between schedule-free optimizers, AdEMAMix, and accelerated
    SGD variants*, arXiv 2502.02431.

    >>> import jax.numpy as jnp
    >>> tx, w = simplified_ademamix(0.1, alpha=3.0), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -0.4
    """
    return chain(
        scale_by_simplified_ademamix(b1, b2, alpha, eps, eps_root),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
