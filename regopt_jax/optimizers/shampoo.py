"""Shampoo: a preconditioner for each axis."""

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import Mask, chain
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.identity import identity
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_shampoo import scale_by_shampoo
from regopt_jax.transforms.trace import trace


@transformation(momentum="[0, 1] or None")
def shampoo(
    learning_rate: ScalarOrSchedule | None,
    momentum: ArrayLike | None = None,
    b2: ArrayLike | None = None,
    eps: ArrayLike = 1e-4,
    precondition_frequency: int = 1,
    max_precond_dim: int = 10_000,
    weight_decay: ScalarOrSchedule = 0.0,
    mask: Mask | None = None,
) -> GradientTransformation:
    r"""Shampoo, with momentum and decoupled weight decay if wanted.

    .. math:: W ← W - α\, (L_t + εI)^{-1/4}\, g_t\, (R_t + εI)^{-1/4}

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      momentum: ρ in [0, 1] of a trace of the preconditioned gradients; ``None`` for none.
      b2, eps, precondition_frequency, max_precond_dim: see :func:`scale_by_shampoo`.
      weight_decay: λ ≥ 0 or a schedule; multiplied by α.
      mask: which leaves to decay; see :func:`masked`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Gupta, Koren & Singer, *Shampoo: preconditioned stochastic tensor optimization*,
    arXiv 1802.09568.

    >>> import jax.numpy as jnp
    >>> tx, w = shampoo(0.1), jnp.ones((2, 2))
    >>> u, _ = tx.update(jnp.array([[3.0, 0.0], [0.0, -4.0]]), tx.init(w), w)
    >>> jnp.round(10 * u, 3).tolist()
    [[-1.0, -0.0], [-0.0, 1.0]]
    """
    return chain(
        scale_by_shampoo(b2, eps, precondition_frequency, max_precond_dim),
        identity() if momentum is None else trace(momentum),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
