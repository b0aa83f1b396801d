"""ACProp: AdaBelief that divides a gradient by what was known before it."""

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import Mask, chain
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.scale_by_acprop import scale_by_acprop
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate


@transformation()
def acprop(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-16,
    eps_root: ArrayLike = 1e-16,
    weight_decay: ScalarOrSchedule = 0.0,
    mask: Mask | None = None,
) -> GradientTransformation:
    r"""ACProp: the divisor of AdaBelief one step late, and no momentum.

    .. math:: W ← W - α \left(\frac{g_t}{\sqrt{\hat s_{t-1}} + ε} + λ W\right), \qquad
       s_t = β_2 s_{t-1} + (1-β_2) (g_t - m_{t-1})^2 + ε_{root}

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, eps, eps_root: see :func:`scale_by_acprop`.
      weight_decay: λ ≥ 0 or a schedule; multiplied by α.
      mask: which leaves to decay; see :func:`masked`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Zhuang et al., *Momentum centering and asynchronous update for adaptive gradient methods*,
    arXiv 2110.05454.

    >>> import jax.numpy as jnp
    >>> tx, w = acprop(0.5), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -1.5
    """
    return chain(
        scale_by_acprop(b1, b2, eps, eps_root),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
