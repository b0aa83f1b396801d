"""Rprop: signs and a step size for every element."""

from regopt_jax._core import ArrayLike, GradientTransformation, transformation
from regopt_jax.combine import chain
from regopt_jax.transforms.descend import descend
from regopt_jax.transforms.scale_by_rprop import scale_by_rprop


@transformation()
def rprop(
    learning_rate: ArrayLike,
    eta_minus: ArrayLike = 0.5,
    eta_plus: ArrayLike = 1.2,
    min_step_size: ArrayLike = 1e-6,
    max_step_size: ArrayLike = 50.0,
) -> GradientTransformation:
    r"""Rprop, for gradients of the whole data set.

    .. math:: W ← W - s_t \operatorname{sign}(g_t), \qquad
       s_t = \operatorname{clip}(η_t s_{t-1}, s_{min}, s_{max})

    The steps are PyTorch's; Optax's come one update late.

    Args:
      learning_rate: s₀ ≥ 0, a number.
      eta_minus, eta_plus, min_step_size, max_step_size: see :func:`scale_by_rprop`.

    Raises:
      ValueError: a hyperparameter out of its range; from ``init``, complex parameters.
      TypeError: ``learning_rate`` is a schedule.

    Riedmiller & Braun, *A direct adaptive method for faster backpropagation learning: the
    RPROP algorithm*, ICNN 1993.

    >>> import jax.numpy as jnp
    >>> tx = rprop(0.25)
    >>> float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0])
    -0.25
    """
    return chain(
        scale_by_rprop(learning_rate, eta_minus, eta_plus, min_step_size, max_step_size), descend()
    )
