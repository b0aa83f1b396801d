"""MARS: AdamW on variance-reduced gradients."""

from typing import Any

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import Mask, chain
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.clip_by_leaf_norm import clip_by_leaf_norm
from regopt_jax.transforms.mars_correction import mars_correction
from regopt_jax.transforms.scale_by_adam import scale_by_adam
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate


@transformation()
def scale_by_mars(
    b1: ArrayLike = 0.95,
    b2: ArrayLike = 0.99,
    eps: ArrayLike = 1e-8,
    gamma: ArrayLike = 0.025,
    max_norm: ArrayLike = 1.0,
    mu_dtype: Any = None,
) -> GradientTransformation:
    r"""Adam's moments of the corrected gradient, clipped: :math:`c_t / \max(1, \lVert c_t \rVert)`.

    .. math:: c_t = g_t + γ \frac{β_1}{1-β_1} (g_t - g_{t-1}), \qquad
       u_t = \hat m_t / (\sqrt{\hat r_t} + ε)

    Args:
      b1, gamma: see :func:`mars_correction`.
      max_norm: see :func:`clip_by_leaf_norm`.
      b2, eps, mu_dtype: see :func:`scale_by_adam`, which gets ``b1`` too.

    Raises:
      ValueError: a hyperparameter out of its range.

    Yuan et al., *MARS*, arXiv 2411.10438.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_mars()
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    1.0
    """
    return chain(
        mars_correction(b1, gamma),
        clip_by_leaf_norm(max_norm),
        scale_by_adam(b1, b2, eps, 0.0, mu_dtype),
    )


@transformation()
def mars(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.95,
    b2: ArrayLike = 0.99,
    eps: ArrayLike = 1e-8,
    gamma: ArrayLike = 0.025,
    max_norm: ArrayLike = 1.0,
    mu_dtype: Any = None,
    weight_decay: ScalarOrSchedule = 0.0,
    mask: Mask | None = None,
) -> GradientTransformation:
    r"""MARS-AdamW, with decoupled weight decay.

    .. math:: W ← W - α \left(\hat m_t / (\sqrt{\hat r_t} + ε) + λ W\right)

    All arrays are treated alike; the authors' default keeps AdamW for those that are not
    matrices, which :func:`partition` can do.

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, eps, gamma, max_norm, mu_dtype: see :func:`scale_by_mars`.
      weight_decay: λ ≥ 0 or a schedule; multiplied by α.
      mask: which leaves to decay; see :func:`masked`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Yuan et al., *MARS*, arXiv 2411.10438.

    >>> import jax.numpy as jnp
    >>> tx, w = mars(0.1), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -0.1
    """
    return chain(
        scale_by_mars(b1, b2, eps, gamma, max_norm, mu_dtype),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
