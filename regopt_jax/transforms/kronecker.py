r"""Kronecker-factored preconditioning: one small matrix for each axis of an array.

The factor of axis i is the Gram matrix :math:`H_i = \sum x x^*` of the array's fibres x
along that axis, so an :math:`m × n` matrix has one of :math:`m × m` and one of
:math:`n × n` in place of the :math:`mn × mn` that a full preconditioner needs.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from regopt_jax._core import Array
from regopt_jax._core.arithmetic import at_least_float32

PRECISION = jax.lax.Precision.HIGHEST


def factored_axes(shape: Sequence[int], max_dim: int) -> tuple[int, ...]:
    """The axes that get a factor: those of 2 to ``max_dim`` elements."""
    if 0 in shape:
        return ()
    return tuple(axis for axis, size in enumerate(shape) if 1 < size <= max_dim)


def identities(p: Array, axes: Sequence[int], value: float = 1.0) -> list[Array]:
    """For each axis ``value`` times the identity, in float32 or wider."""
    dtype = at_least_float32(jnp.zeros([], p.dtype)).dtype
    return [value * jnp.eye(p.shape[axis], dtype=dtype) for axis in axes]


def gram(x: Array, axis: int) -> Array:
    """The Gram matrix of the fibres along an axis."""
    others = [i for i in range(x.ndim) if i != axis]
    return jnp.tensordot(x, x.conj(), (others, others), precision=PRECISION)


def along(x: Array, matrices: Sequence[Array], axes: Sequence[int]) -> Array:
    """Multiply the fibres along each axis by its matrix."""
    for matrix, axis in zip(matrices, axes, strict=True):
        product = jnp.tensordot(matrix, x, ((1,), (axis,)), precision=PRECISION)
        x = jnp.moveaxis(product, 0, axis)
    return x
