"""AdaBelief and Yogi: Adam with other second moments."""

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import chain
from regopt_jax.transforms.scale_by_belief import scale_by_belief
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_yogi import scale_by_yogi


@transformation()
def adabelief(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-16,
    eps_root: ArrayLike = 1e-16,
    *,
    nesterov: bool = False,
) -> GradientTransformation:
    r"""AdaBelief: large steps where the gradient is as expected.

    .. math:: W ← W - α\, \hat m_t / (\sqrt{\hat s_t} + ε), \qquad
       s_t = β_2 s_{t-1} + (1-β_2) (g_t - m_t)^2 + ε_{root}

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, eps, eps_root, nesterov: see :func:`scale_by_belief`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Zhuang et al., *AdaBelief optimizer*, arXiv 2010.07468.

    >>> import jax.numpy as jnp
    >>> tx = adabelief(0.1)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    -0.1111
    """
    return chain(
        scale_by_belief(b1, b2, eps, eps_root, nesterov=nesterov),
        scale_by_learning_rate(learning_rate),
    )


@transformation()
def yogi(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-3,
) -> GradientTransformation:
    r"""Yogi: Adam whose second moment moves by bounded steps.

    .. math:: W ← W - α\, \hat m_t / (\sqrt{\hat r_t} + ε), \qquad
       r_t = r_{t-1} - (1-β_2) \operatorname{sign}(r_{t-1} - g_t^2)\, g_t^2

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, eps: see :func:`scale_by_yogi`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Zaheer et al., *Adaptive methods for nonconvex optimization*, NeurIPS 2018.

    >>> import jax.numpy as jnp
    >>> tx = yogi(0.1)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 3)
    -0.1
    """
    return chain(scale_by_yogi(b1, b2, eps), scale_by_learning_rate(learning_rate))
