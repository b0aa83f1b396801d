"""Adadelta: steps in the units of the parameters."""

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax._core.numbers import is_number
from regopt_jax.combine import Mask, chain
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.identity import identity
from regopt_jax.transforms.scale_by_adadelta import scale_by_adadelta
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate


@transformation()
def adadelta(
    learning_rate: ScalarOrSchedule | None = None,
    rho: ArrayLike = 0.9,
    eps: ArrayLike = 1e-6,
    weight_decay: ScalarOrSchedule = 0.0,
    weight_decay_mask: Mask | None = None,
) -> GradientTransformation:
    r"""Adadelta, with weight decay in the gradient.

    .. math:: W ← W - α \frac{\sqrt{x_{t-1} + ε}}{\sqrt{r_t + ε}} (g_t + λ W)

    Args:
      learning_rate: α ≥ 0 or a schedule, 1 in the paper; see :func:`scale_by_learning_rate`
        for ``None``.
      rho, eps: see :func:`scale_by_adadelta`.
      weight_decay: λ ≥ 0 or a schedule; the parameters are needed unless it is 0.
      weight_decay_mask: which leaves to decay; see :func:`masked`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Zeiler, *ADADELTA: an adaptive learning rate method*, arXiv 1212.5701.

    >>> import jax.numpy as jnp
    >>> tx, w = adadelta(1.0, rho=0.75, eps=1.0), jnp.array(0.0)
    >>> round(float(tx.update(jnp.array(2.0), tx.init(w), w)[0]), 4)
    -1.4142
    """
    none = weight_decay_mask is None and is_number(weight_decay, 0)
    return chain(
        identity() if none else add_decayed_weights(weight_decay, weight_decay_mask),
        scale_by_adadelta(rho, eps),
        scale_by_learning_rate(learning_rate),
    )
