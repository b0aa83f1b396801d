"""Pytrees as vectors: their norm, sums over them, and a step added to them.

What runs on every leaf is jitted, so that leaves of one shape and dtype are traced and
lowered once.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from regopt_jax._core.arithmetic import abs_sq, at_least_float32
from regopt_jax._core.matching import align, check_shapes, map_leaves
from regopt_jax._core.trees import Array, PyTree, flatten


def global_norm(updates: PyTree) -> Array:
    r"""The Euclidean norm of all leaves together, :math:`\sqrt{\sum_i \lVert x_i\rVert^2}`.

    Args:
      updates: a tree of real or complex arrays of any shape; ``None`` leaves are left out.
        Accumulates in float32 or wider.

    Returns:
      A real scalar; 0 for a tree without leaves.

    >>> import jax.numpy as jnp
    >>> float(global_norm({"a": jnp.array([3.0]), "b": jnp.array(4.0)}))
    5.0
    """
    squares = [_sum_of_squares(x) for x in jax.tree.leaves(updates)]
    if not squares:
        return jnp.zeros([], jnp.float32)
    with jax.numpy_dtype_promotion("standard"):
        total = squares[0]
        for square in squares[1:]:
            total = total + square
    return jnp.sqrt(total)


def total(who: str, function: Callable[..., Array], tree: PyTree, **others: PyTree) -> Array:
    """The sum over the leaves of a number of each, from leaves in float32 or wider."""

    def one(*xs: Array) -> Array:
        return function(*map(at_least_float32, xs))

    numbers = jax.tree.leaves(map_leaves(who, one, tree, **others))
    with jax.numpy_dtype_promotion("standard"):
        return sum(numbers, start=jnp.zeros([], jnp.float32))


def inner(x: Array, y: Array) -> Array:
    """The inner product of two arrays, of complex ones that of their real and imaginary parts."""
    return jnp.sum((x.conj() * y).real)


def _sum_of_squares(x: Any) -> Array:
    # Widened outside: what is compiled is shared by both faces, of which one does not widen.
    return _sum_of_squares_as_it_is(x if jnp.result_type(x).itemsize >= 4 else at_least_float32(x))


@jax.jit
def _sum_of_squares_as_it_is(x: Any) -> Array:
    return jnp.sum(abs_sq(jnp.asarray(x)))


def apply_updates(params: PyTree, updates: PyTree) -> PyTree:
    """Add the updates to the parameters, in the parameters' dtypes.

    Args:
      params: the parameters.
      updates: the tree that ``update`` returned; a ``None`` leaf leaves its
        parameter as it is.

    Raises:
      ValueError: the trees differ; the message names the paths.

    >>> import jax.numpy as jnp
    >>> apply_updates({"w": jnp.array(1.0)}, {"w": jnp.array(-0.25)})
    {'w': Array(0.75, dtype=float32)}
    """
    leaves, treedef = flatten(params)
    advice = "Pass the updates that `update` returned for these parameters."
    deltas = align(
        "apply_updates", "updates", updates, params, treedef, of="parameters", advice=advice
    )
    present = [p if u is None else u for p, u in zip(leaves, deltas, strict=True)]
    check_shapes("apply_updates", "update", params, leaves, present)

    def add(p: Any, u: Any) -> Any:
        return p if p is None or u is None else _add_keeping_dtype(p, u)

    return treedef.unflatten([add(p, u) for p, u in zip(leaves, deltas, strict=True)])


def replaced(params: PyTree, target: PyTree) -> PyTree:
    """``target`` in the parameters' dtypes; a ``None`` leaf leaves its parameter as it is."""
    leaves, treedef = flatten(params)
    pairs = zip(leaves, treedef.flatten_up_to(target), strict=True)
    return treedef.unflatten([p if t is None else t.astype(p.dtype) for p, t in pairs])


@jax.jit
def _add_keeping_dtype(p: Any, u: Any) -> Array:
    with jax.numpy_dtype_promotion("standard"):
        return (p + u).astype(p.dtype)
