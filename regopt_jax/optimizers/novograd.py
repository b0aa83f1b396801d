"""NovoGrad: momentum over one second moment a layer."""

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import chain
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_novograd import scale_by_novograd


@transformation()
def novograd(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.25,
    eps: ArrayLike = 1e-6,
    eps_root: ArrayLike = 0.0,
    weight_decay: ScalarOrSchedule = 0.0,
) -> GradientTransformation:
    r"""NovoGrad.

    .. math:: m_t = β_1 m_{t-1} + \frac{g_t}{\sqrt{r_t} + ε} + λ W, \qquad W ← W - α\, m_t

    where r is the running squared norm of the array's gradient.

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, eps, eps_root: see :func:`scale_by_novograd`.
      weight_decay: λ ≥ 0 or a schedule, within the momentum.

    Raises:
      ValueError: a hyperparameter out of its range.

    Ginsburg et al., *Stochastic gradient methods with layer-wise adaptive moments*,
    arXiv 1905.11286.

    >>> import jax.numpy as jnp
    >>> tx = novograd(0.1)
    >>> u, _ = tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.zeros(2)))
    >>> jnp.round(100 * u).tolist()
    [-6.0, -8.0]
    """
    return chain(
        scale_by_novograd(b1, b2, eps, eps_root, weight_decay),
        scale_by_learning_rate(learning_rate),
    )
