"""StableAdamW: AdamW with Adafactor's update clipping."""

from typing import Any

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import Mask, chain
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.scale_by_adam import scale_by_adam
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.wrappers.clip_update_rms import clip_update_rms


@transformation()
def stable_adamw(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.99,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    mu_dtype: Any = None,
    weight_decay: ScalarOrSchedule = 1e-2,
    mask: Mask | None = None,
    threshold: ArrayLike = 1.0,
) -> GradientTransformation:
    r"""AdamW whose steps shrink, array by array, while the second moment lags behind.

    .. math:: W ← W - \frac{α}{\max(1, \operatorname{RMS}(g_t/d_t) / c)}
       \left(\frac{\hat m_t}{d_t} + λ W\right), \qquad d_t = \sqrt{\hat r_t} + ε

    The clipping scales the decay too, as in the paper.

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, eps, eps_root, mu_dtype: see :func:`scale_by_adam`.
      weight_decay: λ ≥ 0 or a schedule; multiplied by α as clipped.
      mask: which leaves to decay; see :func:`masked`.
      threshold: c > 0; see :func:`clip_update_rms`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Wortsman et al., *Stable and low-precision training for large-scale vision-language
    models*, arXiv 2304.13013, algorithm 2.

    >>> import jax.numpy as jnp
    >>> tx, w = stable_adamw(0.1, weight_decay=0.5), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -0.2
    """
    decayed = chain(
        scale_by_adam(b1, b2, eps, eps_root, mu_dtype), add_decayed_weights(weight_decay, mask)
    )
    return chain(clip_update_rms(decayed, threshold), scale_by_learning_rate(learning_rate))
