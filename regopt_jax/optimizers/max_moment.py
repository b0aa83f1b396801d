"""Adam over the largest gradients: AMSGrad and Adamax."""

from typing import Any

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import Mask, chain
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.scale_by_adamax import scale_by_adamax
from regopt_jax.transforms.scale_by_amsgrad import scale_by_amsgrad
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate


@transformation()
def amsgrad(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    mu_dtype: Any = None,
    bias_correction_mu: bool = True,
    bias_correction_nu: bool = True,
) -> GradientTransformation:
    r"""AMSGrad.

    .. math:: W ← W - α\, \hat m_t / (\sqrt{\max_{s ≤ t} \hat r_s} + ε)

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, eps, eps_root, mu_dtype, bias_correction_mu, bias_correction_nu: see
        :func:`scale_by_amsgrad`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Reddi, Kale & Kumar, *On the convergence of Adam and beyond*, arXiv 1904.09237.

    >>> import jax.numpy as jnp
    >>> tx = amsgrad(0.1)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    -0.1
    """
    return chain(
        scale_by_amsgrad(b1, b2, eps, eps_root, mu_dtype, bias_correction_mu, bias_correction_nu),
        scale_by_learning_rate(learning_rate),
    )


@transformation()
def adamax(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
) -> GradientTransformation:
    r"""Adamax: Adam in the infinity norm.

    .. math:: W ← W - α\, \hat m_t / r_t, \qquad r_t = \max(|g_t| + ε, β_2 r_{t-1})

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, eps: see :func:`scale_by_adamax`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Kingma & Ba, *Adam*, arXiv 1412.6980, section 7.1.

    >>> import jax.numpy as jnp
    >>> tx = adamax(0.1)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    -0.1
    """
    return chain(scale_by_adamax(b1, b2, eps), scale_by_learning_rate(learning_rate))


@transformation()
def adamaxw(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    weight_decay: ScalarOrSchedule = 1e-4,
    mask: Mask | None = None,
) -> GradientTransformation:
    r"""Adamax with decoupled weight decay.

    .. math:: W ← W - α (\hat m_t / r_t + λ W)

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, eps: see :func:`scale_by_adamax`.
      weight_decay: λ ≥ 0 or a schedule; multiplied by α.
      mask: which leaves to decay; see :func:`masked`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Loshchilov & Hutter, *Decoupled weight decay regularization*, arXiv 1711.05101.

    >>> import jax.numpy as jnp
    >>> tx, w = adamaxw(0.1, weight_decay=0.5), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -0.2
    """
    return chain(
        scale_by_adamax(b1, b2, eps),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
