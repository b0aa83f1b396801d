"""The search for a step size that satisfies Wolfe's conditions.

Nocedal & Wright split it in two: algorithm 3.5 lengthens the step until an interval holds such a
size, 3.6 narrows the interval. Here they are one: an interval whose end ``low`` has the least loss
of those with a sufficient decrease, and whose end ``high`` is infinite until something bounds the
step. While it is, the step grows; then it is where a polynomial through the ends has its minimum.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from regopt_jax._core import Array, PyTree
from regopt_jax.transforms.line.interpolation import between
from regopt_jax.transforms.line.problem import Line, Point


class Wolfe(NamedTuple):
    """The conditions, as numbers of the line's dtype.

    Attributes:
      tol: ε, what both allow beyond.
      slope_rtol, curv_rtol: c₁, c₂.
      approx_dec_rtol: c₃, or ``None`` without the approximate condition.
    """

    tol: Array
    slope_rtol: Array
    curv_rtol: Array
    approx_dec_rtol: Array | None

    def lacks(self, start: Point, there: Point) -> tuple[Array, Array]:
        """What a point lacks of a sufficient decrease and of a small slope; 0 where nothing."""
        c = self.slope_rtol
        rise = there.value - start.value
        decrease = rise - c * there.size * start.slope
        if self.approx_dec_rtol is not None:  # Hager & Zhang's, exact where losses hardly differ
            steep = there.slope - (2 * c - 1) * start.slope
            near = rise - self.approx_dec_rtol * jnp.abs(start.value)
            decrease = jnp.minimum(decrease, jnp.maximum(steep, near))
        curvature = jnp.abs(there.slope) - self.curv_rtol * jnp.abs(start.slope)
        return _lack(decrease), _lack(curvature)


def _lack(x: Array) -> Array:
    return jnp.maximum(jnp.where(jnp.isnan(x), jnp.inf, x), 0)


class Search(NamedTuple):
    """How far a search is.

    Attributes:
      tried: the number of points tried.
      now, grad: the last of them, and the gradient there.
      low, high: the ends of the interval.
      other: a point beyond them that the cubic goes through too.
      safe, safe_grad: the best point with a sufficient decrease; the start where there is none.
      decrease_error, curvature_error: what the last point lacks.
      done: it satisfies both conditions, or is as long as a step may be.
      failed: there are no more tries, or the interval is too small.
    """

    tried: Array
    now: Point
    grad: PyTree
    low: Point
    high: Point
    other: Point
    safe: Point
    safe_grad: PyTree
    decrease_error: Array
    curvature_error: Array
    done: Array
    failed: Array

    def chosen(self) -> tuple[Point, PyTree]:
        """The point to go to, and the gradient there."""
        outside = jnp.isinf(self.decrease_error)
        back = self.failed & ((self.safe.size > 0) | outside)
        chosen: tuple[Point, PyTree] = _pick(
            back, (self.safe, self.safe_grad), (self.now, self.grad)
        )
        return chosen


def _pick(condition: Array, new: PyTree, old: PyTree) -> PyTree:
    return jax.tree.map(lambda n, o: jnp.where(condition, n, o), new, old)


def zoom(
    line: Line,
    start: Point,
    grad: PyTree,
    wolfe: Wolfe,
    *,
    guess: Array,
    growth: Array,
    longest: Array,
    precision: Array,
    tries: Array,
) -> Search:
    """Search for a step size.

    Args:
      line, start, grad: the line, its start, and the gradient there.
      wolfe: the conditions.
      guess: the size to try first.
      growth: the factor by which the step grows.
      longest: the longest step, or infinity.
      precision: the length of an interval that is too small.
      tries: how many points to try at most.
    """
    none = jnp.asarray(False)

    def goes_on(search: Search) -> Array:
        return ~(search.done | search.failed)

    def one_try(search: Search) -> Search:
        low, high, tried = search.low, search.high, search.tried
        bounded = jnp.isfinite(high.size)
        size = jnp.where(tried == 0, guess, growth * low.size)
        at_end = size >= longest
        size = jnp.where(bounded, between(low, high, search.other), jnp.minimum(size, longest))
        now, slopes = line.look(size)
        decrease, curvature = wolfe.lacks(start, now)

        enough = decrease <= wolfe.tol
        better = enough & (~bounded | (now.value < search.safe.value))
        too_far = (decrease > 0) | ((now.value >= low.value) & (tried > 0))
        turned = ~too_far & (now.slope * jnp.sign(high.size - low.size) >= 0)
        new_high = _pick(too_far, now, _pick(turned, low, high))
        new_low = _pick(too_far, low, now)
        left = _pick(too_far | turned, high, low)

        done = jnp.maximum(decrease, curvature) <= wolfe.tol
        small = jnp.abs(high.size - low.size) <= precision
        safe = _pick(better, now, search.safe)
        at_end = ~bounded & at_end & ~jnp.isfinite(new_high.size)
        over = (tried + 1 >= tries) | (small & (safe.size > 0))
        return Search(
            tried=tried + 1,
            now=now,
            grad=slopes,
            low=new_low,
            high=new_high,
            other=_pick(bounded, left, new_low),
            safe=safe,
            safe_grad=_pick(better, slopes, search.safe_grad),
            decrease_error=decrease,
            curvature_error=curvature,
            done=done | at_end,
            failed=over & ~(done | at_end),
        )

    infinite = line.number(jnp.inf)
    begin = Search(
        tried=jnp.zeros([], jnp.int32),
        now=start,
        grad=grad,
        low=start,
        high=Point(infinite, infinite, infinite),
        other=start,
        safe=start,
        safe_grad=grad,
        decrease_error=infinite,
        curvature_error=infinite,
        done=none,
        failed=none,
    )
    return jax.lax.while_loop(goes_on, one_try, begin)
