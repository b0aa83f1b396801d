"""L-BFGS with a line search."""

import optax

from regopt_jax._core import GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax._core.foreign import as_transformation
from regopt_jax.combine import chain
from regopt_jax.transforms.identity import identity
from regopt_jax.transforms.scale import scale
from regopt_jax.transforms.scale_by_lbfgs import scale_by_lbfgs
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_zoom_linesearch import scale_by_zoom_linesearch

ZOOM = scale_by_zoom_linesearch(max_linesearch_steps=20, initial_guess_strategy="one")


@transformation()
def lbfgs(
    learning_rate: ScalarOrSchedule | None = None,
    memory_size: int = 10,
    scale_init_precond: bool = True,
    linesearch: optax.GradientTransformation | None = ZOOM,
) -> GradientTransformation:
    r"""Steps along the gradient times an estimate of the inverse Hessian, of a length searched for.

    .. math:: W ← W - η_t P_t\, ∇L(W)

    with P as in :func:`scale_by_lbfgs`. ``update`` needs the loss and its gradient at the
    parameters and the loss as a function of them, ``value=``, ``grad=`` and ``value_fn=``; for
    a loss that is the same at every step, ``value_and_grad_from_state`` has the first two from the
    search before. For small and middle-sized problems without noise.

    Args:
      learning_rate: α ≥ 0 or a schedule, what the search multiplies; 1 when ``None``.
      memory_size, scale_init_precond: see :func:`scale_by_lbfgs`.
      linesearch: finds :math:`η_t`, from 1; none when ``None``, where ``update`` needs no more
        than the parameters.

    Raises:
      ValueError: a hyperparameter out of its range; (from ``update``) no parameters.
      TypeError: (from ``update``) no ``value``, ``grad`` or ``value_fn``.

    Liu & Nocedal, *On the limited memory BFGS method for large scale optimization*, 1989.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> def loss(w): return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
    >>> tx, w = ro.lbfgs(), jnp.array([-1.0, 1.0])
    >>> state, value_and_grad = tx.init(w), ro.value_and_grad_from_state(loss)
    >>> for _ in range(40):
    ...     value, grad = value_and_grad(w, state=state)
    ...     u, state = tx.update(grad, state, w, value=value, grad=grad, value_fn=loss)
    ...     w = ro.apply_updates(w, u)
    >>> w.round(3).tolist()
    [1.0, 1.0]
    """
    return chain(
        scale_by_lbfgs(memory_size, scale_init_precond),
        scale(-1.0) if learning_rate is None else scale_by_learning_rate(learning_rate),
        identity() if linesearch is None else as_transformation(linesearch),
    )
