"""What a penalty on one array is, at unit strength.

Each states its value, a gradient (a subgradient where there is none) and its proximal
map in a diagonal metric d > 0,

    prox(z) = argmin_x  ½ Σ d (x - z)² + λ r(x).
"""

import dataclasses
from typing import ClassVar

from regopt_jax._trees import Array, ArrayLike


@dataclasses.dataclass(frozen=True)
class Penalty:
    """A penalty r on one array; subclasses give its value, gradient and proximal map.

    The class attributes are what the proximal map of a sum is decided by.

    Attributes:
      quadratic: r is ½‖x‖², which the proximal map of any other penalty absorbs.
      even: r(x) is unchanged by flipping signs of x and grows with every |xᵢ|.
      separable: r is a sum of functions of one element each.
      convex: r is convex.
      radial: r is a function of the norm of x, or of each of its groups.
      indicator: r is 0 on a set and infinite outside, so it has no strength.
      flat: its gradient is zero wherever it exists, so only a proximal map can act.
    """

    quadratic: ClassVar[bool] = False
    even: ClassVar[bool] = False
    separable: ClassVar[bool] = False
    convex: ClassVar[bool] = False
    radial: ClassVar[bool] = False
    indicator: ClassVar[bool] = False
    flat: ClassVar[bool] = False

    def precedes(self, other: "Penalty") -> bool:
        """Whether the proximal map of the sum with ``other`` is other's after this one's."""
        return False

    def value(self, x: Array) -> Array:
        """r(x), a real scalar."""
        raise NotImplementedError

    def grad(self, x: Array) -> Array:
        """A subgradient of r at x; the smallest where there are several."""
        raise NotImplementedError

    def prox(self, z: Array, strength: ArrayLike, metric: Array) -> Array:
        """The proximal map of ``strength`` · r at z, in a metric that broadcasts to z."""
        raise NotImplementedError


def require_scalar(metric: Array, name: str, instead: str) -> None:
    """Refuse a metric that differs between elements.

    Raises:
      ValueError: says what to use instead.
    """
    if metric.ndim > 0 and metric.size > 1:
        raise ValueError(
            f"{name} has no closed-form proximal map in a diagonal metric of shape "
            f"{metric.shape}, which an adaptive method steps in. {instead}"
        )
