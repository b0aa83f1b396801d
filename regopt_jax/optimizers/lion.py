"""Lion: the sign of a momentum."""

from typing import Any

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import Mask, chain
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_lion import scale_by_lion


@transformation()
def lion(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.99,
    mu_dtype: Any = None,
    weight_decay: ScalarOrSchedule = 1e-3,
    mask: Mask | None = None,
) -> GradientTransformation:
    r"""Lion, with decoupled weight decay.

    .. math:: W ← W - α \left(\operatorname{sign}(β_1 m_{t-1} + (1-β_1) g_t) + λ W\right)

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling; a third to a tenth of Adam's.
      b1, b2, mu_dtype: see :func:`scale_by_lion`.
      weight_decay: λ ≥ 0 or a schedule; multiplied by α.
      mask: which leaves to decay; see :func:`masked`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Chen et al., *Symbolic discovery of optimization algorithms*, arXiv 2302.06675.

    >>> import jax.numpy as jnp
    >>> tx, w = lion(0.5, weight_decay=0.0), jnp.array(2.0)
    >>> float(tx.update(jnp.array(3.0), tx.init(w), w)[0])
    -0.5
    """
    return chain(
        scale_by_lion(b1, b2, mu_dtype),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
