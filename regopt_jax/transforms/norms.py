"""Sizes of one array: its norm and root-mean-square, with derivatives at zero, to divide by."""

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, abs_sq
from regopt_jax._core.arithmetic import at_least_float32, cast_like

Axes = int | tuple[int, ...] | None


def norm(x: Array, at_least: ArrayLike = 0.0, axis: Axes = None) -> Array:
    r"""The Euclidean norm :math:`\max(\lVert x\rVert, c)`, along ``axis`` where given.

    Real, float32 or wider; axes that it runs along stay, of length 1. Its derivative is
    zero, rather than not a number, where the bound c holds.

    >>> import jax.numpy as jnp
    >>> float(norm(jnp.array([3.0, 4.0]))), float(norm(jnp.zeros(2), 0.5))
    (5.0, 0.5)
    """
    squares = abs_sq(at_least_float32(x))
    return root(jnp.sum(squares, axis, keepdims=axis is not None), at_least)


def root_mean_square(x: Array, at_least: ArrayLike = 0.0) -> Array:
    r"""The root-mean-square :math:`\max(\lVert x\rVert / \sqrt n, c)`, like :func:`norm`.

    It is c for an array without elements.

    >>> import jax.numpy as jnp
    >>> float(root_mean_square(jnp.array([1.0, 7.0])))
    5.0
    """
    return root(jnp.sum(abs_sq(at_least_float32(x))) / max(x.size, 1), at_least)


def root(square: Array, at_least: ArrayLike = 0.0) -> Array:
    """√square, or the bound where that is larger; with a derivative at zero.

    >>> import jax, jax.numpy as jnp
    >>> float(root(jnp.array(9.0))), float(jax.grad(root)(0.0))
    (3.0, 0.0)
    """
    square = jnp.asarray(square)
    least = jnp.asarray(at_least, square.dtype)
    small = jnp.sqrt(square) <= least
    return jnp.where(small, least, jnp.sqrt(jnp.where(small, 1, square)))


def scaled(x: Array, factor: ArrayLike) -> Array:
    """``x`` times a real factor, in the dtype of ``x``."""
    return x * cast_like(factor, x)


def nonzero(divisor: Array) -> Array:
    """A divisor that is infinite where it was zero, so that the quotient is zero there.

    >>> import jax.numpy as jnp
    >>> (jnp.zeros(2) / nonzero(jnp.array([0.0, 2.0]))).tolist()
    [0.0, 0.0]
    """
    return jnp.where(divisor != 0, divisor, jnp.inf)
