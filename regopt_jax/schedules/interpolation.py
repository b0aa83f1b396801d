"""Transitions between given values, along a line, a cosine or a root."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, Schedule, numbers
from regopt_jax._core.made import described
from regopt_jax.schedules.cosines import half_cosine
from regopt_jax.schedules.counts import as_float, fractions
from regopt_jax.schedules.join import join_schedules
from regopt_jax.schedules.shapes import constant_schedule

Shape = Literal["linear", "cosine", "1-sqrt"]

# From the shares of the time done and left, the weights of the first value and the last.
WEIGHTS: Mapping[str, Callable[[Array, Array], tuple[Array, Array]]] = {
    "linear": lambda done, left: (left, done),
    "cosine": lambda done, left: (half_cosine(left), half_cosine(done)),
    "1-sqrt": lambda done, left: (left / (1 + jnp.sqrt(done)), jnp.sqrt(done)),
}


def check_shape(who: str, name: str, shape: str, allowed: Sequence[str]) -> None:
    """Require a known shape.

    Raises:
      ValueError: names the argument and the shapes that there are.
    """
    if shape not in allowed:
        raise ValueError(f"{who}: {name} must be one of {list(allowed)}, got {shape!r}.")


def transition(shape: Shape, start: ArrayLike, stop: ArrayLike, steps: int) -> Schedule:
    """From one value to another in ``steps``, along a shape; with 0 the first stays."""
    if steps == 0:
        return constant_schedule(start)

    def schedule(count: ArrayLike) -> Array:
        done, left = fractions(count, 0, steps)
        kept, lost = WEIGHTS[shape](done, left)
        return as_float(start) * kept + as_float(stop) * lost

    return schedule


def _through(shape: Shape, start: ArrayLike, knots: Sequence[tuple[int, ArrayLike]]) -> Schedule:
    """From ``start`` at step 0 through a value at each of the steps, in their order."""
    points = [(0, start), *knots]
    pieces = [
        transition(shape, value, following, end - begin)
        for (begin, value), (end, following) in itertools.pairwise(points)
    ]
    joined = join_schedules([*pieces, constant_schedule(points[-1][1])], [s for s, _ in knots])
    return lambda count: jnp.asarray(joined(count), jnp.result_type(float))


@described
def piecewise_interpolate_schedule(
    interpolate_type: str,
    init_value: ArrayLike,
    boundaries_and_scales: dict[int, float] | None = None,
) -> Schedule:
    r"""Interpolate between the values of :func:`piecewise_constant_schedule` at its boundaries.

    With :math:`v_i = I \prod_{j≤i} f_j` reached at the boundary :math:`b_i`, and the last
    value after the last boundary,

    .. math:: s(t) = v_i + (v_{i+1} - v_i)\, w\left(\frac{t - b_i}{b_{i+1} - b_i}\right),
       \quad w(x) = x \text{ or } \tfrac12(1 - \cos πx)

    Args:
      interpolate_type: ``"linear"`` or ``"cosine"``.
      init_value: I, at step 0.
      boundaries_and_scales: step bᵢ ≥ 0 to factor fᵢ ≥ 0.

    Raises:
      ValueError: another ``interpolate_type``, a negative boundary or factor.

    >>> schedule = piecewise_interpolate_schedule("linear", 1.0, {4: 0.5, 8: 0.5})
    >>> [float(schedule(t)) for t in (0, 2, 4, 6, 8, 9)]
    [1.0, 0.75, 0.5, 0.375, 0.25, 0.25]
    """
    who = "piecewise_interpolate_schedule"
    check_shape(who, "interpolate_type", interpolate_type, ("linear", "cosine"))
    shape: Shape = "cosine" if interpolate_type == "cosine" else "linear"
    factor: ArrayLike = 1.0
    knots: list[tuple[int, ArrayLike]] = []
    for boundary, scale in sorted((boundaries_and_scales or {}).items()):
        ranges = {
            f"the boundary {boundary}": (boundary, "[0, inf)"),
            f"the scale at {boundary}": (scale, "[0, inf)"),
        }
        numbers.check(who, **ranges)
        factor = factor * scale
        knots.append((boundary, init_value * factor))
    return _through(shape, init_value, knots)


@described
def linear_onecycle_schedule(
    transition_steps: int,
    peak_value: ArrayLike,
    pct_start: float = 0.3,
    pct_final: float = 0.85,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    r"""One cycle of straight lines: up to the peak, down again, and further down.

    From :math:`P/d` at step 0 to P at step :math:`⌊aT⌋`, to :math:`P/d` at :math:`⌊bT⌋`, to
    :math:`P/(dD)` at T.

    Args:
      transition_steps: T ≥ 1 steps.
      peak_value: P.
      pct_start: a in [0, 1], the share of the steps at which the peak is reached.
      pct_final: b in [a, 1], the share at which the first value is.
      div_factor: d > 0.
      final_div_factor: D > 0.

    Raises:
      ValueError: a hyperparameter out of its range.

    Smith & Topin, *Super-convergence*, arXiv 1708.07120.

    >>> schedule = linear_onecycle_schedule(100, 1.0, pct_final=0.8, div_factor=4.0)
    >>> [round(float(schedule(t)), 6) for t in (0, 30, 80, 100)]
    [0.25, 1.0, 0.25, 2.5e-05]
    """
    _check_onecycle(
        "linear_onecycle_schedule", transition_steps, pct_start, div_factor, final_div_factor
    )
    numbers.check("linear_onecycle_schedule", pct_final=(pct_final, f"[{pct_start}, 1]"))
    first = peak_value / div_factor
    knots = [
        (int(pct_start * transition_steps), peak_value),
        (int(pct_final * transition_steps), first),
        (int(transition_steps), first / final_div_factor),
    ]
    return _through("linear", first, knots)


@described
def cosine_onecycle_schedule(
    transition_steps: int,
    peak_value: ArrayLike,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    r"""One cycle of half cosines: up to the peak, and down.

    From :math:`P/d` at step 0 to P at step :math:`⌊aT⌋` to :math:`P/(dD)` at T.

    Args:
      transition_steps: T ≥ 1 steps.
      peak_value: P.
      pct_start: a in [0, 1], the share of the steps at which the peak is reached.
      div_factor: d > 0.
      final_div_factor: D > 0.

    Raises:
      ValueError: a hyperparameter out of its range.

    Smith & Topin, *Super-convergence*, arXiv 1708.07120. PyTorch's ``OneCycleLR``, which
    counts its phases differently, is :func:`one_cycle`.

    >>> schedule = cosine_onecycle_schedule(100, 1.0, div_factor=4.0)
    >>> [round(float(schedule(t)), 6) for t in (0, 15, 30, 100)]
    [0.25, 0.625, 1.0, 2.5e-05]
    """
    _check_onecycle(
        "cosine_onecycle_schedule", transition_steps, pct_start, div_factor, final_div_factor
    )
    first = peak_value / div_factor
    knots = [
        (int(pct_start * transition_steps), peak_value),
        (int(transition_steps), first / final_div_factor),
    ]
    return _through("cosine", first, knots)


def _check_onecycle(
    who: str, transition_steps: int, pct_start: float, div_factor: float, final_div_factor: float
) -> None:
    numbers.check(
        who,
        transition_steps=(transition_steps, "[1, inf)"),
        pct_start=(pct_start, "[0, 1]"),
        div_factor=(div_factor, "(0, inf)"),
        final_div_factor=(final_div_factor, "(0, inf)"),
    )
