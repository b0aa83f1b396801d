"""COCOB: coin betting in place of a step size."""

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import Mask, chain
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.scale_by_cocob import scale_by_cocob
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate


@transformation()
def cocob(
    learning_rate: ScalarOrSchedule | None = 1.0,
    alpha: ArrayLike = 100.0,
    eps: ArrayLike = 1e-8,
    weight_decay: ScalarOrSchedule = 0.0,
    mask: Mask | None = None,
) -> GradientTransformation:
    r"""COCOB: weights are placed by bets on the signs of their gradients.

    .. math:: g_t ← η_t (g_t + λ W), \qquad
       W ← W_0 + \frac{θ_t}{L_t \max(G_t + L_t, α L_t)} (L_t + R_t)

    with L, G, R and θ as in :func:`scale_by_cocob`, which does not see the size of the
    gradients: a constant η changes next to nothing, a schedule weighs them over time.

    Args:
      learning_rate: η ≥ 0, a schedule, or ``None`` for no scaling; it scales the gradients.
      alpha, eps: see :func:`scale_by_cocob`.
      weight_decay: λ ≥ 0 or a schedule; added to the gradients.
      mask: which leaves to decay; see :func:`masked`.

    Raises:
      TypeError: (from ``init``) a parameter is complex, by path.
      ValueError: a hyperparameter out of its range.

    Orabona & Tommasi, *Training deep networks without learning rates through coin betting*,
    arXiv 1705.07795.

    >>> import jax.numpy as jnp
    >>> tx, w = cocob(alpha=4.0), jnp.array(2.0)
    >>> float(tx.update(jnp.array(8.0), tx.init(w), w)[0])
    -0.25
    """
    return chain(
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate, flip_sign=False),
        scale_by_cocob(alpha, eps),
    )
