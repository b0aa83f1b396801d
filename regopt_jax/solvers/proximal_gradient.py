r"""Proximal gradient descent, plain and accelerated.

For a smooth f and a regulariser R with a proximal map, both iterate

.. math:: x_{k+1} = \operatorname{prox}_{αR}(y_k - α ∇f(y_k))

from :math:`y_k = x_k` (rate 1/k on convex problems) or from a point ahead of it along
the last move (FISTA, rate 1/k²). The step size α shrinks until f lies below its
quadratic model with curvature 1/α.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import Array, ArrayLike, PyTree, matching, numbers
from regopt_jax._core.decorator import numeric
from regopt_jax.regularizers.base import Regularizer, require_regularizer

Loss = Callable[..., Any]


class Solution(NamedTuple):
    """Where a solver stopped.

    Attributes:
      params: the point.
      optimality: the norm of the gradient mapping :math:`(y - x)/α` at the last step.
      iterations: int32 scalar, the steps taken.
      step_size: the last α.
    """

    params: PyTree
    optimality: Array
    iterations: Array
    step_size: Array


class _Search(NamedTuple):
    x: PyTree
    y: PyTree
    momentum: Array
    step_size: Array
    optimality: Array
    iterations: Array


@numeric
def proximal_gradient(
    loss_fn: Loss,
    regularizer: Regularizer,
    init: PyTree,
    *,
    step_size: ArrayLike | None = None,
    tol: ArrayLike = 1e-6,
    max_iter: int = 1000,
) -> Solution:
    r"""Minimise :math:`f(x) + R(x)` by proximal gradient descent (ISTA).

    Args:
      loss_fn: f, from a parameter tree to a scalar; smooth.
      regularizer: R.
      init: the parameters to start from.
      step_size: the first α > 0, only ever halved; estimated from f's curvature
        along its gradient when ``None``.
      tol: stop when the norm of the gradient mapping is at most this, ≥ 0.
      max_iter: the most steps to take.

    Returns:
      A :class:`Solution`. The whole search is one ``lax.while_loop``: it can be jitted
      and ``vmap``-ped.

    Raises:
      ValueError: a hyperparameter out of its range.

    Parikh & Boyd, *Proximal algorithms*, 2014, section 4.2.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> loss = lambda w: 0.5 * jnp.sum((w - 3.0) ** 2)
    >>> jnp.round(proximal_gradient(loss, ro.l1(1.0), jnp.zeros(2)).params, 4).tolist()
    [2.0, 2.0]
    """
    return _minimize(
        "proximal_gradient", loss_fn, regularizer, init, step_size, tol, max_iter, ahead=False
    )


@numeric
def fista(
    loss_fn: Loss,
    regularizer: Regularizer,
    init: PyTree,
    *,
    step_size: ArrayLike | None = None,
    tol: ArrayLike = 1e-6,
    max_iter: int = 1000,
    restart: bool = True,
) -> Solution:
    r"""Minimise :math:`f(x) + R(x)` by accelerated proximal gradient descent.

    .. math:: y_{k+1} = x_{k+1} + \tfrac{t_k - 1}{t_{k+1}} (x_{k+1} - x_k), \qquad
       t_{k+1} = \tfrac12 (1 + \sqrt{1 + 4 t_k^2})

    Args:
      loss_fn, regularizer, init, step_size, tol, max_iter: see :func:`proximal_gradient`.
      restart: drop the momentum whenever it points uphill, which makes strongly
        convex problems converge linearly.

    Returns:
      A :class:`Solution`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Beck & Teboulle, *A fast iterative shrinkage-thresholding algorithm*, 2009; O'Donoghue
    & Candès, *Adaptive restart*, arXiv 1204.3982.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> loss = lambda w: 0.5 * jnp.sum((w - 3.0) ** 2)
    >>> jnp.round(fista(loss, ro.l1(1.0), jnp.zeros(2)).params, 4).tolist()
    [2.0, 2.0]
    """
    return _minimize(
        "fista", loss_fn, regularizer, init, step_size, tol, max_iter, ahead=True, restart=restart
    )


def _minimize(
    who: str,
    loss_fn: Loss,
    regularizer: Regularizer,
    init: PyTree,
    step_size: ArrayLike | None,
    tol: ArrayLike,
    max_iter: int,
    *,
    ahead: bool,
    restart: bool = False,
) -> Solution:
    require_regularizer(who, regularizer)
    numbers.check(
        who,
        step_size=(step_size, "(0, inf) or None"),
        tol=(tol, "[0, inf)"),
        max_iter=(max_iter, "integer [1, inf)"),
    )
    matching.check_inexact(who, init, "parameter")
    init = jax.tree.map(jnp.asarray, init)
    loss_and_grad = jax.value_and_grad(loss_fn)
    with jax.numpy_dtype_promotion("standard"):
        scalar = jnp.result_type(*jax.tree.leaves(init), jnp.float32)
        first = _curvature_step(loss_and_grad, init) if step_size is None else step_size

    def search(s: _Search) -> _Search:
        value, grads = loss_and_grad(s.y)

        def advance(step: Array) -> PyTree:
            return regularizer.prox(optax.tree.add_scale(s.y, -step, grads), 1 / step)

        def above_model(carry: tuple[Array, PyTree]) -> Array:
            step, x = carry
            move = optax.tree.sub(x, s.y)
            model = optax.tree.vdot(grads, move) + optax.tree.norm(move, squared=True) / (2 * step)
            # Near the solution f's own rounding exceeds the difference that is tested.
            slack = 10 * jnp.finfo(scalar).eps * jnp.maximum(jnp.abs(value), 1)
            return (loss_fn(x) - value > model + slack) & (step > jnp.finfo(scalar).tiny)

        def shrink(carry: tuple[Array, PyTree]) -> tuple[Array, PyTree]:
            step = carry[0] / 2
            return step, advance(step)

        step, x = jax.lax.while_loop(above_model, shrink, (s.step_size, advance(s.step_size)))
        optimality = optax.tree.norm(optax.tree.sub(x, s.y)) / step
        momentum = (1 + jnp.sqrt(1 + 4 * s.momentum**2)) / 2 if ahead else s.momentum
        move = optax.tree.sub(x, s.x)
        uphill = optax.tree.vdot(optax.tree.sub(s.y, x), move) > 0
        fresh = uphill if restart else jnp.array(not ahead)
        weight = jnp.where(fresh, 0, (s.momentum - 1) / momentum)
        y = optax.tree.add_scale(x, weight, move)
        return _Search(
            x, y, jnp.where(fresh, 1, momentum), step, optimality.astype(scalar), s.iterations + 1
        )

    def unfinished(s: _Search) -> Array:
        return (s.optimality > tol) & (s.iterations < max_iter)

    start = _Search(
        x=init,
        y=init,
        momentum=jnp.ones([], scalar),
        step_size=jnp.asarray(first, scalar),
        optimality=jnp.full([], jnp.inf, scalar),
        iterations=jnp.zeros([], jnp.int32),
    )
    with jax.numpy_dtype_promotion("standard"):
        end = jax.lax.while_loop(unfinished, search, start)
    return Solution(end.x, end.optimality, end.iterations, end.step_size)


def _curvature_step(loss_and_grad: Callable[[PyTree], Any], x: PyTree) -> Array:
    """One over the curvature of f along its gradient: at least 1/L, so never too small."""
    _, grads = loss_and_grad(x)
    size = optax.tree.norm(grads)
    reach = 1e-3 * jnp.maximum(optax.tree.norm(x), 1) / jnp.where(size > 0, size, 1)
    _, shifted = loss_and_grad(optax.tree.add_scale(x, -reach, grads))
    change = optax.tree.norm(optax.tree.sub(shifted, grads))
    return jnp.where(change > 0, reach * size / jnp.where(change > 0, change, 1), 1)
