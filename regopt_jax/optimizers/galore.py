"""GaLore: Adam on a projection of each matrix."""

import optax

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import Mask, chain
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.wrappers.scale_by_galore import GaLoreDimensions, scale_by_galore


@transformation()
def galore(
    learning_rate: ScalarOrSchedule | None,
    rank: int = 128,
    update_proj_gap: int = 200,
    scale: ArrayLike = 1.0,
    base_optimizer: optax.GradientTransformation | None = None,
    weight_decay: ScalarOrSchedule = 0.0,
    mask: Mask | None = None,
    weight_dimension_numbers: GaLoreDimensions | None = None,
) -> GradientTransformation:
    r"""GaLore, with decoupled weight decay.

    .. math:: W ← W - α (U_t + λ W), \qquad U_t \text{ of } \texttt{scale\_by\_galore}

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      rank, update_proj_gap, scale, base_optimizer, weight_dimension_numbers: see
        :func:`scale_by_galore`.
      weight_decay: λ ≥ 0 or a schedule; multiplied by α.
      mask: which leaves to decay; see :func:`masked`.

    Raises:
      TypeError: ``rank`` is no integer.
      ValueError: a hyperparameter out of its range.

    Zhao et al., *GaLore: memory-efficient LLM training by gradient low-rank projection*, arXiv
    2403.03507.

    >>> import jax.numpy as jnp
    >>> tx, w = galore(0.5, rank=1), jnp.diag(jnp.array([2.0, 1.0]))
    >>> jnp.round(tx.update(w, tx.init(w), w)[0], 3).tolist()
    [[-0.5, -0.0], [-0.0, -0.0]]
    """
    return chain(
        scale_by_galore(rank, update_proj_gap, scale, base_optimizer, weight_dimension_numbers),
        add_decayed_weights(weight_decay, mask),
        scale_by_learning_rate(learning_rate),
    )
