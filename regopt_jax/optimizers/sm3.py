"""SM3: Adagrad in the memory of an array's axes."""

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import chain
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_sm3 import scale_by_sm3


@transformation(momentum="[0, 1)")
def sm3(learning_rate: ScalarOrSchedule, momentum: ArrayLike = 0.9) -> GradientTransformation:
    r"""SM3-II with momentum.

    .. math:: m_t = β m_{t-1} + (1-β)\, g_t / \sqrt{s_t + ε}, \qquad W ← W - α\, m_t

    where :math:`s_t(i) = \min_r a_{t-1}^r(i_r) + g_t(i)^2` is bounded by one vector an axis.

    Args:
      learning_rate: α ≥ 0 or a schedule.
      momentum: β in [0, 1).

    Raises:
      ValueError: a hyperparameter out of its range.

    Anil et al., *Memory-efficient adaptive optimization*, arXiv 1901.11150.

    >>> import jax.numpy as jnp
    >>> tx = sm3(0.5, momentum=0.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    -0.5
    """
    return chain(scale_by_sm3(momentum), scale_by_learning_rate(learning_rate))
