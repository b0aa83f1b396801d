"""The dtypes of slots where nothing but promotion decides, as in Optax.

There a slot has the parameter's dtype from ``init`` and from then on what its formula gives: a
float32 gradient of a bfloat16 parameter makes a float32 moment of it. A slot whose dtype was
said, such as ``mu_dtype``, keeps it.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Slots = tuple[Any, ...]


def slots_as_promoted(
    init: Callable[..., Any] | None, fields: Sequence[str], keeps: Sequence[str]
) -> Callable[[tuple[int, ...], Slots, Slots], Slots]:
    """Of a leaf's shape, its old slots and its new ones, the new ones in the dtypes they get.

    Args:
      init: makes the slots of a parameter. One that has the same dtype for parameters of
        different dtypes was said.
      fields: the names of the slots.
      keeps: those that keep their dtype anyhow.
    """

    def stays(shape: tuple[int, ...]) -> Slots:
        assert init is not None
        one, other = (jax.eval_shape(init, jnp.zeros(shape, d)) for d in ("bfloat16", "float32"))
        same = jax.tree.map(lambda a, b: a.dtype == b.dtype, one, other)
        slots = same if isinstance(same, tuple) else (same,)
        named = zip(fields, slots, strict=True)
        return tuple(
            jax.tree.map(lambda s, f=field: s or f in keeps, slot) for field, slot in named
        )

    def cast(shape: tuple[int, ...], old: Slots, new: Slots) -> Slots:
        if not new:
            return ()
        return jax.tree.map(lambda s, o, n: n.astype(o.dtype) if s else n, stays(shape), old, new)

    return cast


def weak(value: Any) -> Any:
    """A number that takes the dtypes it meets, as a Python number does."""
    if not isinstance(value, jax.Array | np.ndarray | np.number):
        return value
    for kind, zero in ((jnp.floating, 0.0), (jnp.integer, 0)):
        if jnp.issubdtype(value.dtype, kind):
            one = functools.partial(jax.lax.full_like, jnp.asarray(zero))
            return functools.reduce(lambda f, _: jax.vmap(f), range(value.ndim), one)(value)
    return value
