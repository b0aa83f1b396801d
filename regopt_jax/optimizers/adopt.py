"""ADOPT: Adam that converges for any β₂."""

from typing import Any

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, Schedule
from regopt_jax._core.decorator import transformation
from regopt_jax.combine import chain
from regopt_jax.transforms.scale_by_adopt import fourth_root, scale_by_adopt
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate


@transformation()
def adopt(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.9999,
    eps: ArrayLike = 1e-6,
    mu_dtype: Any = None,
    *,
    nesterov: bool = False,
    use_clipping: bool = True,
    clip_value_fn: Schedule = fourth_root,
) -> GradientTransformation:
    r"""ADOPT: Adam whose divisor does not contain the gradient it divides.

    .. math:: W ← W - α m_t, \qquad
       m_t = β_1 m_{t-1} + (1-β_1)\, \mathrm{clip}(g_t / \max(\sqrt{r_{t-1}}, ε), ±c_t)

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, eps, mu_dtype, nesterov, use_clipping, clip_value_fn: see
        :func:`scale_by_adopt`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Taniguchi et al., *ADOPT*, arXiv 2411.02853.

    >>> import jax.numpy as jnp
    >>> tx = adopt(0.1, b1=0.5)
    >>> state = tx.init(jnp.array(0.0))
    >>> for _ in range(2):
    ...     u, state = tx.update(jnp.array(3.0), state)
    >>> round(float(u), 4)
    -0.05
    """
    return chain(
        scale_by_adopt(
            b1,
            b2,
            eps,
            mu_dtype,
            nesterov=nesterov,
            use_clipping=use_clipping,
            clip_value_fn=clip_value_fn,
        ),
        scale_by_learning_rate(learning_rate),
    )
