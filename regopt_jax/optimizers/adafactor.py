"""Adafactor: Adam's second moment in little memory, and steps relative to the weights."""

from typing import Any

import jax.numpy as jnp

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import Mask, chain
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.clip_by_block_rms import clip_by_block_rms
from regopt_jax.transforms.ema import ema
from regopt_jax.transforms.scale import scale
from regopt_jax.transforms.scale_by_factored_rms import scale_by_factored_rms
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_param_block_rms import scale_by_param_block_rms


@transformation(
    clipping_threshold="(0, inf] or None",
    decay_offset="integer (-inf, inf)",
    momentum="[0, 1] or None",
    weight_decay_rate="[0, inf) or None",
)
def adafactor(
    learning_rate: ScalarOrSchedule | None = None,
    min_dim_size_to_factor: int = 128,
    decay_rate: ArrayLike = 0.8,
    decay_offset: ArrayLike = 0,
    multiply_by_parameter_scale: bool = True,
    clipping_threshold: ArrayLike | None = 1.0,
    momentum: ArrayLike | None = None,
    dtype_momentum: Any = jnp.float32,
    weight_decay_rate: ScalarOrSchedule | None = None,
    eps: ArrayLike = 1e-30,
    factored: bool = True,
    weight_decay_mask: Mask | None = None,
) -> GradientTransformation:
    r"""Adafactor.

    .. math:: U_t = \frac{g_t}{\sqrt{R_t C_t / \bar R_t}}, \qquad W ← W -
       α\, \max(\operatorname{RMS}(W), 10^{-3})\, \frac{U_t}{\max(1, \operatorname{RMS}(U_t)/d)}

    Args:
      learning_rate: α ≥ 0 or a schedule; 1 when ``None``.
      min_dim_size_to_factor, decay_rate, decay_offset, eps, factored: see
        :func:`scale_by_factored_rms`.
      multiply_by_parameter_scale: whether the steps are relative to RMS(W).
      clipping_threshold: d > 0; ``None`` for none.
      momentum: β in [0, 1] of an average of the steps, not corrected for its start.
      dtype_momentum: its dtype.
      weight_decay_rate: λ ≥ 0 or a schedule, of W ← W - λW beside the step; not multiplied by α.
      weight_decay_mask: which leaves to decay; see :func:`masked`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Shazeer & Stern, *Adafactor: adaptive learning rates with sublinear memory cost*,
    arXiv 1804.04235.

    >>> import jax.numpy as jnp
    >>> tx, w = adafactor(0.1), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 6)
    -0.2
    """
    parts = [scale_by_factored_rms(factored, decay_rate, decay_offset, min_dim_size_to_factor, eps)]
    if clipping_threshold is not None:
        parts.append(clip_by_block_rms(clipping_threshold))
    if learning_rate is not None:
        parts.append(scale_by_learning_rate(learning_rate, flip_sign=False))
    if multiply_by_parameter_scale:
        parts.append(scale_by_param_block_rms())
    if momentum is not None:
        parts.append(ema(momentum, debias=False, accumulator_dtype=dtype_momentum))
    if weight_decay_rate is not None:
        parts.append(add_decayed_weights(weight_decay_rate, weight_decay_mask))
    return chain(*parts, scale(-1.0))
