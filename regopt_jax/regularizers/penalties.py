"""What a penalty on one array is, at unit strength.

Each states its value, a gradient (a subgradient where there is none) and its proximal
map in a diagonal metric d > 0,

    prox(z) = argmin_x  ½ Σ d (x - z)² + λ r(x).
"""

import dataclasses
from typing import ClassVar

import jax

from regopt_jax._core import Array, ArrayLike
from regopt_jax._core.show import shown


@dataclasses.dataclass(frozen=True)
class Penalty:
    """A penalty r on one array, at unit strength; :func:`penalty` makes a regulariser of it.

    A subclass is a frozen dataclass of its parameters and gives ``value``. ``grad`` is by
    default its derivative; ``prox`` is what :func:`proximal` and the solvers need. The class
    attributes are what the proximal map of a sum, and of buffers, is decided by.

    Attributes:
      quadratic: r is ½‖x‖², which the proximal map of any other penalty absorbs.
      even: r(x) is unchanged by flipping signs in x and grows with the size of each element.
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

    def __init_subclass__(cls, **properties: bool) -> None:
        """Keep what is said beside the base class.

        Raises:
          TypeError: a penalty has no such property.
        """
        for name, holds in properties.items():
            if Penalty.__annotations__.get(name) != ClassVar[bool]:
                raise TypeError(f"{cls.__name__}: a penalty has no property {name!r}.")
            setattr(cls, name, holds)

    def precedes(self, other: "Penalty") -> bool:
        """Whether the proximal map of the sum with ``other`` is other's after this one's."""
        return False

    def value(self, x: Array) -> Array:
        """r(x), a real scalar."""
        raise NotImplementedError

    def grad(self, x: Array) -> Array:
        """A subgradient of r at x; the smallest where there are several."""
        slope: Array = jax.grad(self.value)(x)
        return slope.conj()  # of a complex number JAX gives the conjugate

    def prox(self, z: Array, strength: ArrayLike, metric: Array) -> Array:
        """The proximal map of ``strength`` · r at z, in a metric d that broadcasts to z.

        That is argmin_x ½ Σ d (x - z)² + strength · r(x); where r is not convex, a global one.

        Raises:
          ValueError: it is not known.
        """
        raise ValueError(
            f"{type(self).__name__} has no proximal map. Place it by coupled, decoupled or "
            "penalize, or give the class its prox(z, strength, metric)."
        )

    def __str__(self) -> str:
        """The class, with the parameters that are not at their defaults."""
        fields = ((f, getattr(self, f.name)) for f in dataclasses.fields(self))
        given = [f"{f.name}={shown(value)}" for f, value in fields if value != f.default]
        return type(self).__name__ + (f"({', '.join(given)})" if given else "")


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
