"""A line search for a step size that satisfies Wolfe's conditions."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import ArrayLike, GradientTransformation, PyTree, arithmetic, transformation
from regopt_jax._core.nature import Rule
from regopt_jax._core.protocol import primitive
from regopt_jax._core.tolerance import strict
from regopt_jax.transforms.line.problem import Point, conjugate, on_line, scalar_dtype
from regopt_jax.transforms.line.report import report_zoom
from regopt_jax.transforms.line.zoom import Wolfe, zoom

STRATEGIES = ("one", "keep")


@transformation(
    max_linesearch_steps="integer [1, inf)",
    max_learning_rate="(0, inf] or None",
    tol="[0, inf)",
    increase_factor="(1, inf)",
    slope_rtol="[0, 1)",
    curv_rtol="[0, inf]",
    approx_dec_rtol="[0, inf) or None",
    stepsize_precision="[0, inf)",
)
def scale_by_zoom_linesearch(
    max_linesearch_steps: ArrayLike,
    max_learning_rate: ArrayLike | None = None,
    tol: ArrayLike = 0.0,
    increase_factor: ArrayLike = 2.0,
    slope_rtol: ArrayLike = 1e-4,
    curv_rtol: ArrayLike = 0.9,
    approx_dec_rtol: ArrayLike | None = 1e-6,
    stepsize_precision: ArrayLike = 1e-5,
    initial_guess_strategy: Literal["one", "keep"] = "keep",
    verbose: bool = False,
) -> GradientTransformation:
    r"""Scale u to a step that satisfies Wolfe's strong conditions: enough decrease, less slope.

    .. math:: L(W + η u) ≤ L(W) + c_1 η \langle u, ∇L(W)\rangle + ε, \qquad
       \lvert\langle u, ∇L(W + η u)\rangle\rvert ≤ c_2 \lvert\langle u, ∇L(W)\rangle\rvert + ε

    Where :math:`L(W + η u) ≤ L(W) + c_3 \lvert L(W)\rvert`, so that rounding may hide a decrease,
    :math:`\langle u, ∇L(W + η u)\rangle ≤ (2c_1 - 1) \langle u, ∇L(W)\rangle + ε` serves in
    place of the first. ``update`` needs the loss and its gradient at the parameters and the loss
    as a function of them, ``value=``, ``grad=`` and ``value_fn=``, and takes the other arguments of
    that function. Its state has the loss and the gradient after the step, for
    ``value_and_grad_from_state``.

    Complex gradients are given as they are descended along, the conjugates of JAX's; the state
    has JAX's.

    Args:
      max_linesearch_steps: how many sizes to try at most, an integer ≥ 1; if none will do, the
        one of those with a sufficient decrease whose loss is least.
      max_learning_rate: the longest step; none is too long when ``None``.
      tol: ε ≥ 0.
      increase_factor: by which the step grows until it is too long, > 1.
      slope_rtol: c₁ in [0, 1).
      curv_rtol: c₂ ≥ 0; infinite for the first condition alone.
      approx_dec_rtol: c₃ ≥ 0, or ``None`` for the first condition as it stands.
      stepsize_precision: the length of the interval at which to make do with a decrease.
      initial_guess_strategy: try 1 first, as of Newton's steps, or the size of the last step.
      verbose: print why a search failed.

    Raises:
      ValueError: a hyperparameter out of its range; (from ``update``) no parameters.
      TypeError: (from ``update``) no ``value``, ``grad`` or ``value_fn``, or an argument that
        ``value_fn`` does not take.

    Nocedal & Wright, *Numerical Optimization*, algorithms 3.5 and 3.6; Hager & Zhang, *Algorithm
    851: CG_DESCENT*, 2006.

    >>> import jax, jax.numpy as jnp, regopt_jax as ro
    >>> def loss(w): return jnp.sum(w**2)
    >>> tx, w = ro.chain(ro.sgd(1.0), ro.scale_by_zoom_linesearch(15)), jnp.array([1.0, 2.0])
    >>> value, grad = jax.value_and_grad(loss)(w)
    >>> u, state = tx.update(grad, tx.init(w), w, value=value, grad=grad, value_fn=loss)
    >>> float(loss(w)), float(loss(w + u))
    (5.0, 0.0)
    """
    who = "scale_by_zoom_linesearch"
    if initial_guess_strategy not in STRATEGIES:
        raise ValueError(
            f"{who}: initial_guess_strategy must be one of {STRATEGIES}, "
            f"got {initial_guess_strategy!r}."
        )

    def init(params: PyTree) -> optax.ScaleByZoomLinesearchState:
        dtype = scalar_dtype(params)
        error = jnp.full([], jnp.inf, dtype if strict() else float)
        return optax.ScaleByZoomLinesearchState(
            learning_rate=jnp.ones([], dtype),
            value=jnp.full([], jnp.inf, dtype),
            grad=jax.tree.map(arithmetic.zeros_like, params),
            info=optax.ZoomLinesearchInfo(
                num_linesearch_steps=jnp.zeros([], jnp.int32 if strict() else int),
                decrease_error=error,
                curvature_error=jnp.copy(error),
            ),
        )

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, optax.ScaleByZoomLinesearchState]:
        line, value, grad = on_line(who, updates, params, extra)
        start = Point(line.number(0.0), value, line.slope(grad))
        guess = line.number(1.0)
        if initial_guess_strategy == "keep":
            guess = line.number(state.learning_rate)
            if strict():  # a step of zero is no guess for the next
                guess = jnp.where(guess > 0, guess, 1)
        precision = line.number(stepsize_precision)
        found = zoom(
            line,
            start,
            jax.tree.map(
                lambda g, p: jnp.asarray(g, p.dtype),
                conjugate(grad) if strict() else grad,
                line.params,
            ),
            Wolfe(
                line.number(tol),
                line.number(slope_rtol),
                line.number(curv_rtol),
                None if approx_dec_rtol is None else line.number(approx_dec_rtol),
            ),
            guess=guess,
            growth=line.number(increase_factor),
            longest=line.number(jnp.inf if max_learning_rate is None else max_learning_rate),
            precision=precision,
            tries=jnp.asarray(max_linesearch_steps),
        )
        if verbose:
            report_zoom(found, start, precision)
        point, slopes = found.chosen()
        new = optax.ScaleByZoomLinesearchState(
            learning_rate=point.size,
            value=point.value,
            grad=slopes,
            info=optax.ZoomLinesearchInfo(found.tried, found.decrease_error, found.curvature_error),
        )
        new = jax.tree.map(arithmetic.in_dtype_of, state, new)
        return line.step(new.learning_rate), new

    return primitive(init, update, Rule("scaling", factor=lambda state: state.learning_rate))
