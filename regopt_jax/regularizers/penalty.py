"""The door through which a penalty, the package's or one's own, becomes a regulariser."""

from typing import Any

from regopt_jax._core import ScalarOrSchedule, numbers
from regopt_jax._core.decorator import numeric
from regopt_jax.combine.select import everything
from regopt_jax.regularizers.base import Regularizer
from regopt_jax.regularizers.penalties import Penalty
from regopt_jax.regularizers.terms import Term


@numeric
def penalty(form: Penalty, strength: ScalarOrSchedule = 1.0, *, name: str = "") -> Regularizer:
    r""":math:`R(W) = λ \sum_i r(W_i)` over the arrays of a tree, for a penalty r of one's own.

    It adds, scales, restricts and is placed like any other.

    Args:
      form: r, an instance of a frozen dataclass that inherits from :class:`Penalty`.
      strength: λ ≥ 0, a scalar or a schedule.
      name: what errors call it; by default as its class.

    Raises:
      TypeError: ``form`` is no such instance, or has no value.
      ValueError: a negative strength.

    >>> import dataclasses, jax.numpy as jnp, regopt_jax as ro
    >>> @dataclasses.dataclass(frozen=True)
    ... class Cauchy(ro.Penalty):
    ...     width: float
    ...     def value(self, x):
    ...         return jnp.sum(jnp.log1p((x / self.width) ** 2))
    >>> R = 0.5 * ro.penalty(Cauchy(1.0)) + ro.l1(0.25).on(ro.select("w"))
    >>> R
    0.5 * Cauchy(width=1) + 0.25 * L1.on(select('w'))
    >>> R.grad({"w": jnp.array([1.0, 0.0])})["w"].tolist()
    [0.75, 0.0]
    """
    _require_penalty(form)
    numbers.check(name or type(form).__name__, strength=(strength, "[0, inf)"))
    return Regularizer((Term(strength, form, everything),))


def _require_penalty(form: Any) -> None:
    """Refuse what jitted functions could not be compiled for, or that is no penalty."""
    if isinstance(form, type) and issubclass(form, Penalty):
        raise TypeError(f"penalty: expected a penalty, got the class {form.__name__}; call it.")
    if not isinstance(form, Penalty):
        raise TypeError(f"penalty: expected an instance of regopt_jax.Penalty, got {form!r}.")
    kind = type(form)
    # Equality inherited from another class would not see what this one adds.
    own = vars(kind).get("__dataclass_params__")
    if own is None or not own.frozen:
        raise TypeError(
            f"penalty: {kind.__name__} must be under @dataclasses.dataclass(frozen=True)."
        )
    if kind.value is Penalty.value:
        raise TypeError(f"penalty: {kind.__name__} must say its value(x).")
    try:
        hash(form)
    except TypeError as error:
        raise TypeError(
            f"penalty: {form} has a field that cannot be hashed: {error}. Use numbers and tuples."
        ) from error
