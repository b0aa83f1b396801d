"""Of one array: what dtype its arithmetic has, its squares, and arrays like it."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core.tolerance import strict

PyTree = Any
Array = jax.Array
ArrayLike = jax.typing.ArrayLike


def is_inexact(x: Any) -> bool:
    """Whether x is a floating-point or complex number or array."""
    if isinstance(x, float | complex):
        return True
    dtype = getattr(x, "dtype", None)
    return dtype is not None and _has_gradients(dtype)


@functools.cache
def _has_gradients(dtype: Any) -> bool:
    return bool(jnp.issubdtype(dtype, jnp.inexact))


def abs_sq(x: Array) -> Array:
    """|x|² of a real or complex array, real."""
    return (x * x.conj()).real if jnp.iscomplexobj(x) else x * x


def at_least_float32(x: ArrayLike) -> Array:
    """The array in float32 if it is narrower, else as it is; in Optax's face, always as it is."""
    x = jnp.asarray(x)
    return x.astype(jnp.float32) if x.dtype.itemsize < 4 and strict() else x


def cast_like(x: ArrayLike, like: Array) -> Any:
    """A number in the real dtype of an array; in Optax's face as it is, to be promoted."""
    return jnp.asarray(x, jnp.finfo(like.dtype).dtype) if strict() else x


def real_dtype(tree: PyTree, *, narrowest: bool = True) -> Any:
    """The widest dtype of the leaves, or of their parts where complex; float32 or wider.

    In Optax's face the narrowest of them, or the widest, whichever that is.
    """
    if not strict():
        found = optax.tree.dtype(tree, "lowest" if narrowest else "highest")
        return jnp.finfo(found).dtype if jnp.issubdtype(found, jnp.inexact) else found
    own = map(jnp.result_type, jax.tree.leaves(tree))
    dtypes = [jnp.finfo(dtype).dtype for dtype in own if jnp.issubdtype(dtype, jnp.inexact)]
    with jax.numpy_dtype_promotion("standard"):
        return jnp.result_type(jnp.float32, *dtypes)


def zeros_like(p: ArrayLike, dtype: Any = None) -> Array:
    """Zeros of ``p``'s shape and sharding, with a dtype that is never weak."""
    return full_like(p, 0, dtype)


def full_like(p: ArrayLike, value: ArrayLike, dtype: Any = None) -> Array:
    """``value`` in ``p``'s shape and sharding, with a dtype that is never weak."""
    return jnp.full_like(p, value, dtype=_like(p, dtype))


def _like(p: ArrayLike, dtype: Any) -> Any:
    """A dtype as precise as ``dtype``, and complex if ``p`` is: a real one would halve it.

    In Optax's face the very dtype.
    """
    own = p.dtype if hasattr(p, "dtype") else jnp.result_type(p)
    kept = jax.dtypes.canonicalize_dtype(dtype or own)
    if not strict():
        return kept
    if jnp.issubdtype(own, jnp.complexfloating):
        with jax.numpy_dtype_promotion("standard"):
            return jnp.promote_types(kept, jnp.complex64)
    return jnp.finfo(kept).dtype if jnp.issubdtype(own, jnp.inexact) else kept


def square_like(p: ArrayLike, value: ArrayLike = 0) -> Array:
    """``value`` in ``p``'s shape, to hold squares: in a dtype that is :func:`widened`."""
    return full_like(p, value, widened(jnp.result_type(p)))


def widened(dtype: Any) -> Any:
    """float32 for float16, which holds no square of a number under 2e-4 or above 256, nor the
    usual ε; any other dtype as it is, and in Optax's face every one."""
    return jnp.dtype(jnp.float32) if dtype == jnp.float16 and strict() else dtype


def copied(p: ArrayLike, dtype: Any = None) -> Array:
    """A copy that the parameter's buffer may be donated without, with its sharding."""
    return jnp.array(p, dtype=_like(p, dtype), copy=True)


def in_dtype_of(old: Any, new: Any) -> Any:
    """``new`` in the dtype of ``old``; either may be a Python number."""
    dtype = jnp.asarray(old).dtype
    return new if getattr(new, "dtype", None) == dtype else jnp.asarray(new).astype(dtype)
