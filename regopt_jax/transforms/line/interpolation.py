"""Where a polynomial through points on a line has its minimum (Nocedal & Wright, section 3.5)."""

import jax.numpy as jnp

from regopt_jax._core import Array
from regopt_jax.transforms.line.problem import Point


def cubic_minimum(a: Point, b: Point, c: Point) -> Array:
    r"""That of the cubic through a, with its slope, b and c; NaN where there is none.

    With :math:`r_x = f(x) - f(a) - f'(a)(x-a)` it is
    :math:`a + \bigl(-B + \sqrt{B^2 - 3A f'(a)}\bigr)/3A` of the A and B for which
    :math:`A(x-a)^3 + B(x-a)^2 = r_x` at b and c.

    >>> import jax.numpy as jnp
    >>> f, slope = lambda x: x**3 - 3 * x, lambda x: 3 * x**2 - 3
    >>> points = (Point(x, f(x), slope(x)) for x in jnp.array([0.0, 2.0, 3.0]))
    >>> float(cubic_minimum(*points))
    1.0
    """
    to_b, to_c = b.size - a.size, c.size - a.size
    over_b, over_c = _above_tangent(a, b), _above_tangent(a, c)
    divisor = (to_b * to_c) ** 2 * (to_b - to_c)
    A = (to_c**2 * over_b - to_b**2 * over_c) / divisor
    B = (to_b**3 * over_c - to_c**3 * over_b) / divisor
    return a.size + (-B + jnp.sqrt(B * B - 3 * A * a.slope)) / (3 * A)


def quadratic_minimum(a: Point, b: Point) -> Array:
    """That of the parabola through a, with its slope, and b.

    >>> import jax.numpy as jnp
    >>> f, slope = lambda x: (x - 1) ** 2, lambda x: 2 * (x - 1)
    >>> float(quadratic_minimum(*(Point(x, f(x), slope(x)) for x in jnp.array([0.0, 4.0]))))
    1.0
    """
    to_b = b.size - a.size
    return a.size - a.slope / (2 * _above_tangent(a, b) / to_b**2)


def _above_tangent(a: Point, b: Point) -> Array:
    return b.value - a.value - a.slope * (b.size - a.size)


def between(low: Point, high: Point, other: Point) -> Array:
    """A step size well inside an interval: the cubic's, the parabola's, or else the middle."""
    left, right = jnp.minimum(low.size, high.size), jnp.maximum(low.size, high.size)
    length = right - left

    def inside(x: Array, margin: float) -> Array:
        return (x > left + margin * length) & (x < right - margin * length)

    cubic, parabola = cubic_minimum(low, high, other), quadratic_minimum(low, high)
    otherwise = jnp.where(inside(parabola, 0.1), parabola, (low.size + high.size) / 2)
    return jnp.where(inside(cubic, 0.2), cubic, otherwise)
