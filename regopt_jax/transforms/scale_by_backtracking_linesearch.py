"""A line search that shortens the step until the loss has fallen enough."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import (
    Array,
    ArrayLike,
    GradientTransformation,
    PyTree,
    arithmetic,
    transformation,
)
from regopt_jax._core.nature import Rule
from regopt_jax._core.optax_states import BacktrackingLinesearchInfo
from regopt_jax._core.protocol import primitive
from regopt_jax._core.tolerance import strict
from regopt_jax.transforms.line.problem import conjugate, on_line, scalar_dtype
from regopt_jax.transforms.line.report import report_backtracking


class _Tried(NamedTuple):
    """A step size, the loss there, what it lacks of a sufficient decrease, and the tries."""

    size: Array
    value: Array
    error: Array
    tries: Array


@transformation(
    max_backtracking_steps="integer [0, inf)",
    slope_rtol="[0, 1)",
    decrease_factor="(0, 1)",
    increase_factor="[1, inf]",
    max_learning_rate="(0, inf]",
    atol="[0, inf)",
    rtol="[0, inf)",
)
def scale_by_backtracking_linesearch(
    max_backtracking_steps: ArrayLike,
    slope_rtol: ArrayLike = 1e-4,
    decrease_factor: ArrayLike = 0.8,
    increase_factor: ArrayLike = 1.5,
    max_learning_rate: ArrayLike = 1.0,
    atol: ArrayLike = 0.0,
    rtol: ArrayLike = 0.0,
    store_grad: bool = False,
    verbose: bool = False,
) -> GradientTransformation:
    r"""Shorten the step u until the loss falls sufficiently (Armijo's condition).

    .. math:: η = η_0 d^k \text{ with the least } k \text{ for which }
       L(W + η u) ≤ (1+δ) L(W) + c\, η \langle u, ∇L(W)\rangle + ε

    and :math:`η_0 = \min(a\, η_{t-1}, η_{\max})`. ``update`` needs the loss and its gradient at
    the parameters and the loss as a function of them, ``value=``, ``grad=`` and ``value_fn=``,
    and takes the other arguments of that function. Where no try is finite, the step is zero.

    Complex gradients are given as they are descended along, the conjugates of JAX's.

    Args:
      max_backtracking_steps: how often to shorten at most, an integer ≥ 0.
      slope_rtol: c in [0, 1).
      decrease_factor: d in (0, 1).
      increase_factor: a ≥ 1; 1 to start from the last step size, ``inf`` from the longest.
      max_learning_rate: :math:`η_{\max}` > 0.
      atol, rtol: ε, δ ≥ 0.
      store_grad: keep the gradient after the step, for ``value_and_grad_from_state``.
      verbose: print why a search failed.

    Raises:
      ValueError: a hyperparameter out of its range; (from ``update``) no parameters.
      TypeError: (from ``update``) no ``value``, ``grad`` or ``value_fn``, or an argument that
        ``value_fn`` does not take.

    Nocedal & Wright, *Numerical Optimization*, algorithm 3.1; Vaswani et al., *Painless stochastic
    gradient*, arXiv 1905.09997.

    >>> import jax, jax.numpy as jnp, regopt_jax as ro
    >>> def loss(w): return jnp.sum(w**2)
    >>> tx = ro.chain(ro.sgd(1.0), ro.scale_by_backtracking_linesearch(15))
    >>> w = jnp.array([1.0, 2.0])
    >>> value, grad = jax.value_and_grad(loss)(w)
    >>> u, state = tx.update(grad, tx.init(w), w, value=value, grad=grad, value_fn=loss)
    >>> float(loss(w)), round(float(loss(w + u)), 4)
    (5.0, 1.8)
    """
    who = "scale_by_backtracking_linesearch"

    def init(params: PyTree) -> optax.ScaleByBacktrackingLinesearchState:
        dtype = scalar_dtype(params)
        return optax.ScaleByBacktrackingLinesearchState(
            learning_rate=jnp.ones([], dtype),
            value=jnp.full([], jnp.inf, dtype),
            grad=jax.tree.map(arithmetic.zeros_like, params) if store_grad else None,
            info=BacktrackingLinesearchInfo(
                num_linesearch_steps=jnp.zeros([], jnp.int32 if strict() else int),
                decrease_error=jnp.full([], jnp.inf, dtype),
            ),
        )

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, optax.ScaleByBacktrackingLinesearchState]:
        line, value, grad = on_line(who, updates, params, extra)
        slope = line.slope(grad if strict() else conjugate(grad))
        c, d, a, most, eps, delta = map(
            line.number,
            (slope_rtol, decrease_factor, increase_factor, max_learning_rate, atol, rtol),
        )

        def unsatisfied(tried: _Tried) -> Array:
            return ~(tried.error <= eps) & (tried.tries <= max_backtracking_steps)

        def shorter(tried: _Tried) -> _Tried:
            size = jnp.where(tried.tries > 0, d * tried.size, tried.size)
            there = line.value(size)
            error = there - (1 + delta) * value - size * c * slope
            error = jnp.maximum(jnp.where(jnp.isnan(error), jnp.inf, error), 0)
            return _Tried(size, there, error, tried.tries + 1)

        last = line.number(state.learning_rate)
        size = jnp.minimum(a * last, most)
        if strict():  # a search that failed is no guess for the next
            size = jnp.where(last > 0, size, most)
        none = _Tried(size, value, line.number(jnp.inf), jnp.zeros([], jnp.int32))
        found = jax.lax.while_loop(unsatisfied, shorter, none)
        if verbose:
            report_backtracking(found, value, slope, eps)
        size = jnp.where(jnp.isinf(found.error), 0, found.size)
        new = optax.ScaleByBacktrackingLinesearchState(
            learning_rate=size,
            value=found.value,
            grad=line.look(found.size)[1] if store_grad else None,
            info=BacktrackingLinesearchInfo(found.tries, found.error),
        )
        new = jax.tree.map(arithmetic.in_dtype_of, state, new)
        return line.step(new.learning_rate), new

    return primitive(init, update, Rule("scaling", factor=lambda state: state.learning_rate))
