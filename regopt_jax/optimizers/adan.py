"""Adan: adaptive Nesterov momentum."""

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import Mask, chain
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.scale_by_adan import scale_by_adan
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate


@transformation()
def adan(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.98,
    b2: ArrayLike = 0.92,
    b3: ArrayLike = 0.99,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 1e-8,
    weight_decay: ScalarOrSchedule = 0.0,
    mask: Mask | None = None,
    *,
    look_ahead: ArrayLike | None = None,
) -> GradientTransformation:
    r"""Adan, with decoupled weight decay.

    .. math:: W ← W - α \left(\frac{\hat m_t + β_2 \hat v_t}{\sqrt{\hat n_t + ε_{root}} + ε}
       + λ W\right)

    The paper divides by :math:`1 + αλ` instead of subtracting :math:`αλW`.

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, b3, eps, eps_root, look_ahead: see :func:`scale_by_adan`.
      weight_decay: λ ≥ 0 or a schedule; multiplied by α.
      mask: which leaves to decay; see :func:`masked`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Xie et al., *Adan: adaptive Nesterov momentum algorithm*, arXiv 2208.06677.

    >>> import jax.numpy as jnp
    >>> tx, w = adan(0.1, weight_decay=0.5), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -0.2
    """
    return chain(
        scale_by_adan(b1, b2, b3, eps, eps_root, look_ahead=look_ahead),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
