"""Counts and numbers of steps, of any size.

Counts stay integers until the last division, so that what is left of a schedule keeps its full
relative precision in float32. They end at the widest integer that is enabled, as counters do; a
number of steps may be larger still, and is then never reached.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from regopt_jax._core import Array, ArrayLike, numbers
from regopt_jax._core.numbers import LAST as LAST
from regopt_jax._core.tolerance import strict


def as_float(x: ArrayLike) -> Array:
    """``x`` in the widest float enabled: float64 under x64, float32 otherwise.

    In Optax's face as it is, so that a schedule of Python numbers is weakly typed.
    """
    if not strict() and not (isinstance(x, int) and abs(x) > last()):
        return x  # type: ignore[return-value]
    x = float(x) if isinstance(x, int) else x  # of any size
    return jnp.asarray(x, dtype=jnp.result_type(float))


def at_least_zero(begin: int) -> int:
    """A step at which to begin: in Optax's face a negative one is 0."""
    return begin if strict() else max(begin, 0)


def last() -> int:
    """The largest count."""
    return int(jnp.iinfo(jnp.result_type(int)).max)


def as_count(count: ArrayLike) -> Array:
    """A count as an array; an integer past the last count as that."""
    if isinstance(count, int):
        return jnp.asarray(min(max(count, -last()), last()))
    if isinstance(count, np.integer | np.ndarray) and np.issubdtype(count.dtype, np.integer):
        count = np.clip(count, -last(), last())
    count = jnp.asarray(count)
    widest = jnp.result_type(int)
    narrow = jnp.issubdtype(count.dtype, jnp.integer) and count.dtype != widest
    return count.astype(widest) if narrow else count


def _alike(count: Array, step: Any) -> tuple[Array, Any]:
    """Both as integers, or as floats where the step is no whole one."""
    if step % 1 == 0:
        return count, int(step)
    return as_float(count), float(step)


def before(count: Array, step: Any) -> Array:
    """Whether a count lies before a step."""
    if step > last():
        return jnp.ones_like(count, bool)
    count, step = _alike(count, step)
    return count < step


def since(count: Array, step: Any) -> Array:
    """The steps from a step to a count; none where no count is past that step."""
    count, step = _alike(count, min(step, last()))
    return count - step


def remaining(steps: Any, done: Array) -> Array:
    """``steps - done`` as a float."""
    if steps <= last():
        return as_float(-since(done, steps))
    return as_float(last() - done) + as_float(steps - last())


def fractions(count: ArrayLike, begin: Any, steps: Any) -> tuple[Array, Array]:
    """The shares of a transition that are done and left, each to full relative precision."""
    done, most = _alike(since(as_count(count), begin), min(steps, last()))
    done = jnp.clip(done, 0, most)
    return as_float(done) / as_float(steps), remaining(steps, done) / as_float(steps)


def cycles(count: ArrayLike, period: Any) -> tuple[Array, Array]:
    """The number of whole periods, and the steps since the last."""
    count = as_count(count)
    if period > last():
        return jnp.zeros_like(count), count
    count, period = _alike(count, period)
    whole, rest = jnp.divmod(count, period)
    return whole, rest


def number_of_steps(
    who: str,
    name: str,
    steps: int | None,
    fraction: float | None,
    total: float,
    *,
    fewer: bool = False,
) -> int:
    """A length, given by ``name_steps`` or by ``name_fraction`` of ``total``, at most that.

    Args:
      fewer: it must be shorter than the whole.

    Raises:
      ValueError: both are given, or neither; one is out of its range, or not whole.
    """
    if not strict():
        return steps  # type: ignore[return-value]
    if (steps is None) == (fraction is None):
        raise ValueError(
            f"{who}: give {name}_steps or {name}_fraction, a number of steps or a share of all; "
            f"got {steps!r} and {fraction!r}."
        )
    if fraction is not None:
        high = f"{1 - 0.5 / total})" if fewer else "1]"
        numbers.check(who, **{f"{name}_fraction": (fraction, f"[0, {high}")})
        return round(float(fraction) * total)
    high = f"{total})" if fewer else f"{total}]"
    whole_steps(who, f"{name}_steps", steps, f"[0, {high}", f" For a share pass {name}_fraction.")
    assert steps is not None
    return int(steps)


def whole_steps(who: str, name: str, steps: Any, interval: str = "[0, inf)", hint: str = "") -> int:
    """A number of steps, which must be a whole one.

    Raises:
      ValueError: it is not whole, or not in the interval.
    """
    if not strict():
        return steps
    numbers.check(who, **{name: (steps, interval)})
    if isinstance(steps, bool) or steps % 1 != 0:
        raise ValueError(f"{who}: {name} must be a whole number, got {steps!r}.{hint}")
    return int(steps)
