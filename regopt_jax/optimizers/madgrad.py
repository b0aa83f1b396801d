"""MADGRAD: momentum, adaptivity and dual averaging."""

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import chain
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.scale_by_madgrad import scale_by_madgrad


@transformation()
def madgrad(
    learning_rate: ScalarOrSchedule,
    momentum: ArrayLike = 0.9,
    weight_decay: ScalarOrSchedule = 0.0,
    eps: ArrayLike = 1e-6,
) -> GradientTransformation:
    r"""MADGRAD.

    .. math:: W ← c W + (1-c) \left(W_0 - s_t / (\sqrt[3]{v_t} + ε)\right)

    where s and v are weighted sums of the gradients and of their squares; see
    :func:`scale_by_madgrad`.

    Args:
      learning_rate: α ≥ 0 or a schedule.
      momentum: c in [0, 1).
      weight_decay: λ ≥ 0 or a schedule, coupled: λW joins the gradient.
      eps: ε ≥ 0.

    Raises:
      ValueError: a hyperparameter out of its range.

    Defazio & Jelassi, *Adaptivity without compromise*, arXiv 2101.11075.

    >>> import jax.numpy as jnp
    >>> tx, w = madgrad(1.0, momentum=0.5), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(8.0), tx.init(w), w)[0]), 4)
    -1.0
    """
    return chain(add_decayed_weights(weight_decay), scale_by_madgrad(learning_rate, momentum, eps))
