"""Numbers near the ends of their dtype: quotients and norms whose steps stay inside it."""

import math

import jax
import jax.numpy as jnp

from regopt_jax._core.arithmetic import abs_sq
from regopt_jax._core.trees import Array, ArrayLike


def power_of_two(size: Array) -> Array:
    """A power of two near ``size`` ≥ 0, 1 where that is 0; a constant to derivatives.

    To multiply by it and by its inverse rounds nothing. XLA makes one of two divisions after each
    other, whose divisor may be past all numbers, but leaves the products.

    >>> import jax.numpy as jnp
    >>> power_of_two(jnp.array([5.0, 0.3, 0.0])).tolist()
    [4.0, 0.25, 1.0]
    """
    size = jax.lax.stop_gradient(size)
    info = jnp.finfo(size.dtype)
    rounded = jax.lax.reduce_precision(0.75 * size, info.nexp, 0)
    return jnp.where(size > 0, jnp.clip(rounded, info.tiny, 1 / info.tiny), 1)


def scaled(x: Array, axis: int | tuple[int, ...] | None = None) -> tuple[Array, Array]:
    """``x`` over a power of two, so that its squares can be added, and that power."""
    largest = jnp.max(jnp.abs(x), axis=axis, keepdims=axis is not None, initial=0)
    power = power_of_two(largest)
    return x * (1 / power), power


def norm(x: Array, axis: int | tuple[int, ...] | None = None) -> Array:
    """The Euclidean norm of what :func:`scaled` gave, whose slope at zero is zero."""
    return root(jnp.sum(abs_sq(x), axis=axis, keepdims=axis is not None))


def root(square: Array) -> Array:
    """The square root, whose slope at zero is taken for zero."""
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)


def quotient(a: ArrayLike, b: Array, power: ArrayLike) -> Array:
    """a/b over a power of two, divided first by that of the two after which a number is left."""
    first, inverse = a / b, 1 / power
    usual = (first >= jnp.finfo(first.dtype).tiny) & (first < jnp.inf)
    return jnp.where(usual, first * inverse, a * inverse / b)


def shrunk(z: Array, a: ArrayLike, b: Array, c: float = 1.0) -> Array:
    """z/(1 + a/(bc)), also where that quotient is past all numbers."""
    unit = 2.0 ** math.floor(math.log2(c))
    ratio = quotient(a, b, unit) / (c / unit)
    # XLA divides by a number by multiplying by its inverse, of which some are too small.
    past = ratio > 0.25 / jnp.finfo(ratio.dtype).tiny
    power = power_of_two(jnp.where(past, a, 1))
    small = z * jnp.minimum(b, c) * (1 / power) / (jnp.where(past, a, 1) * (1 / power))
    return jnp.where(past, small * jnp.maximum(b, c), z / (1 + jnp.where(past, 0, ratio)))
