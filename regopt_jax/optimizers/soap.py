"""SOAP: AdamW in the eigenbasis of Shampoo's preconditioner."""

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import Mask, chain
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_soap import scale_by_soap


@transformation()
def soap(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.95,
    b2: ArrayLike = 0.95,
    shampoo_beta: ArrayLike | None = None,
    eps: ArrayLike = 1e-8,
    precondition_frequency: int = 10,
    max_precond_dim: int = 10_000,
    weight_decay: ScalarOrSchedule = 0.01,
    mask: Mask | None = None,
) -> GradientTransformation:
    r"""SOAP, with decoupled weight decay.

    .. math:: W ← W - α (u_t + λ W), \qquad u_t \text{ of } \texttt{scale\_by\_soap}

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, shampoo_beta, eps, precondition_frequency, max_precond_dim: see
        :func:`scale_by_soap`.
      weight_decay: λ ≥ 0 or a schedule; multiplied by α.
      mask: which leaves to decay; see :func:`masked`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Vyas et al., *SOAP: improving and stabilizing Shampoo using Adam*, arXiv 2409.11321.

    >>> import jax.numpy as jnp
    >>> tx, w = soap(0.1, weight_decay=0.0), jnp.ones((2, 2))
    >>> state = tx.init(w)
    >>> for _ in range(2):
    ...     u, state = tx.update(jnp.array([[3.0, 0.0], [0.0, -4.0]]), state, w)
    >>> jnp.round(10 * u, 3).tolist()
    [[-1.0, -0.0], [-0.0, 1.0]]
    """
    return chain(
        scale_by_soap(b1, b2, shampoo_beta, eps, precondition_frequency, max_precond_dim),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
