"""Gradient descent that takes its step size from the loss."""

from typing import Literal

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import chain
from regopt_jax.optimizers.sgd import sgd
from regopt_jax.transforms.scale_by_polyak import scale_by_polyak


@transformation(scaling="[0, inf)")
def polyak_sgd(
    max_learning_rate: ArrayLike = 1.0,
    scaling: ScalarOrSchedule = 1.0,
    f_min: ArrayLike = 0.0,
    eps: ArrayLike = 0.0,
    variant: Literal["sps", "sps+"] = "sps",
) -> GradientTransformation:
    r"""Gradient descent with Polyak's step size.

    .. math:: u = s g, \qquad
       W ← W - u\, \min\left(\frac{L(W) - L^*}{\lVert u\rVert^2 + ε},\ γ\right)

    ``update`` needs the loss, as ``value=``.

    Args:
      max_learning_rate: γ > 0.
      scaling: s ≥ 0 or a schedule; it scales the gradient before its norm is taken.
      f_min, eps, variant: see :func:`scale_by_polyak`.

    Raises:
      ValueError: a hyperparameter out of its range; (from ``update``) no ``value``.

    Loizou et al., *Stochastic Polyak step-size for SGD*, arXiv 2002.10542.

    >>> import jax.numpy as jnp
    >>> tx, w = polyak_sgd(), jnp.array([3.0, 4.0])
    >>> tx.update(2 * w, tx.init(w), w, value=25.0)[0].tolist()
    [-1.5, -2.0]
    """
    return chain(sgd(scaling), scale_by_polyak(f_min, max_learning_rate, eps, variant))
