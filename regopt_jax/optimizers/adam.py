"""The Adam family: momentum over a second moment."""

from typing import Any

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import Mask, chain
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.scale_by_adam import scale_by_adam
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate


@transformation()
def adam(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    mu_dtype: Any = None,
    *,
    nesterov: bool = False,
) -> GradientTransformation:
    r"""Adam.

    .. math:: W ← W - α\, \hat m_t / (\sqrt{\hat r_t} + ε)

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, eps, eps_root, mu_dtype, nesterov: see :func:`scale_by_adam`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Kingma & Ba, *Adam*, arXiv 1412.6980.

    >>> import jax.numpy as jnp
    >>> tx = adam(0.1)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    -0.1
    """
    return chain(
        scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov),
        scale_by_learning_rate(learning_rate),
    )


@transformation()
def adamw(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    mu_dtype: Any = None,
    weight_decay: ScalarOrSchedule = 1e-4,
    mask: Mask | None = None,
    *,
    nesterov: bool = False,
) -> GradientTransformation:
    r"""Adam with decoupled weight decay.

    .. math:: W ← W - α \left(\hat m_t / (\sqrt{\hat r_t} + ε) + λ W\right)

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, eps, eps_root, mu_dtype, nesterov: see :func:`scale_by_adam`.
      weight_decay: λ ≥ 0 or a schedule; multiplied by α.
      mask: which leaves to decay; see :func:`masked`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Loshchilov & Hutter, *Decoupled weight decay regularization*, arXiv 1711.05101.

    >>> import jax.numpy as jnp
    >>> tx, w = adamw(0.1, weight_decay=0.5), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -0.2
    """
    return chain(
        scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )


@transformation()
def nadam(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    mu_dtype: Any = None,
    *,
    nesterov: bool = True,
) -> GradientTransformation:
    r"""Adam with Nesterov momentum: :func:`adam` with ``nesterov=True``.

    .. math:: W ← W - α\, \tilde m_t / (\sqrt{\hat r_t} + ε), \qquad
       \tilde m_t = β_1 \frac{m_t}{1-β_1^{t+1}} + (1-β_1) \frac{g_t}{1-β_1^t}

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, eps, eps_root, mu_dtype, nesterov: see :func:`scale_by_adam`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Dozat, *Incorporating Nesterov momentum into Adam*, ICLR workshop 2016.

    >>> import jax.numpy as jnp
    >>> tx = nadam(0.1)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    -0.1474
    """
    return adam(learning_rate, b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov)


@transformation()
def nadamw(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    mu_dtype: Any = None,
    weight_decay: ScalarOrSchedule = 1e-4,
    mask: Mask | None = None,
    *,
    nesterov: bool = True,
) -> GradientTransformation:
    r"""NAdam with decoupled weight decay: :func:`adamw` with ``nesterov=True``.

    .. math:: W ← W - α \left(\tilde m_t / (\sqrt{\hat r_t} + ε) + λ W\right)

    with :func:`nadam`'s :math:`\tilde m_t`.

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, eps, eps_root, mu_dtype, nesterov: see :func:`scale_by_adam`.
      weight_decay: λ ≥ 0 or a schedule; multiplied by α.
      mask: which leaves to decay; see :func:`masked`.

    Raises:
      ValueError: a hyperparameter out of its range.

    >>> import jax.numpy as jnp
    >>> tx, w = nadamw(0.1, weight_decay=0.5), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -0.2474
    """
    return adamw(
        learning_rate, b1, b2, eps, eps_root, mu_dtype, weight_decay, mask, nesterov=nesterov
    )
