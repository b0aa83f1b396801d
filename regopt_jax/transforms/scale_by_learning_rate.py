"""The learning rate, where directions of ascent become steps of descent."""

from regopt_jax._core import GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.transforms.identity import identity
from regopt_jax.transforms.scale import multiplied


@transformation(learning_rate="[0, inf) or None")
def scale_by_learning_rate(
    learning_rate: ScalarOrSchedule | None = None, *, flip_sign: bool = True
) -> GradientTransformation:
    r"""Multiply the updates by minus the learning rate, :math:`u_t = -α_t\,g_t`.

    Args:
      learning_rate: α, a scalar ≥ 0 or a schedule; ``None`` for no scaling at all, which
        leaves the direction of ascent.
      flip_sign: whether to turn the ascent direction into a descent step.

    Raises:
      ValueError: a negative learning rate.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_learning_rate(0.1)
    >>> float(tx.update(jnp.array(5.0), tx.init(jnp.array(0.0)))[0])
    -0.5
    """
    if learning_rate is None:
        return identity()
    return multiplied(learning_rate, -1 if flip_sign else 1)
