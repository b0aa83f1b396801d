r"""Which axes of an array are a matrix's rows and columns."""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from optax.contrib import MuonDimensionNumbers as MuonDimensionNumbers, MuonState as MuonState

from regopt_jax._core import Array, PyTree, packed, trees

MatrixAxes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

DimensionNumbers: TypeAlias = MuonDimensionNumbers | PyTree | Callable[[PyTree], PyTree]


def dimension_numbers(
    who: str, given: DimensionNumbers | None, tree: PyTree, kind: type[Any] = MuonDimensionNumbers
) -> list[Any]:
    """Those of each leaf, from those of all, of a prefix of the tree or from a function."""

    def is_leaf(x: Any) -> bool:
        return x is None or isinstance(x, kind)

    tree = tree.unpacked_shapes() if packed.is_packed(tree) else tree
    given = given(tree) if callable(given) else given
    flat: tuple[list[Any], Any] = jax.tree.flatten(given, is_leaf=is_leaf)
    specs, treedef = flat
    wrong = [spec for spec in specs if not is_leaf(spec)]
    if wrong:
        raise ValueError(f"{who}: expected {kind.__name__} or None, got {wrong[0]!r}.")
    each = zip(specs, treedef.flatten_up_to(tree), strict=True)
    return [spec for spec, subtree in each for _ in trees.flatten(subtree)[0]]


def matrix_axes(who: str, given: DimensionNumbers | None, tree: PyTree) -> list[MatrixAxes]:
    """Of each leaf, the axes of a batch, and of a matrix's rows and its columns."""
    specs = dimension_numbers(who, given, tree)
    leaves = zip(specs, trees.flatten(tree)[0], trees.leaf_paths(tree), strict=True)
    return [((), (), ()) if x is None else axes_of(who, spec, x, path) for spec, x, path in leaves]


def axes_of(who: str, spec: Any, x: Any, path: str) -> MatrixAxes:
    """The axes of a leaf whose dimension numbers are these; ``None`` for a matrix as it is."""
    rank = np.ndim(x)
    if spec is None and rank != 2:
        raise ValueError(
            f"{who}: the leaf at '{path}' has shape {jnp.shape(x)}, not that of a matrix. Give "
            "its MuonDimensionNumbers, or another transformation with regopt_jax.partition."
        )
    rows, columns = (
        tuple(axis % max(rank, 1) for axis in ((axes,) if isinstance(axes, int) else axes))
        for axes in (spec or MuonDimensionNumbers())
    )
    if rank < 2 or set(rows) & set(columns):
        raise ValueError(
            f"{who}: the leaf at '{path}' of shape {jnp.shape(x)} needs separate axes for rows "
            f"and columns, but has {spec}."
        )
    return tuple(i for i in range(rank) if i not in {*rows, *columns}), rows, columns


def sides(shape: Sequence[int], axes: MatrixAxes) -> tuple[int, int]:
    """How many rows and columns the matrices of an array of this shape have."""
    rows, columns = (math.prod(shape[i] for i in group) for group in axes[1:])
    return rows, columns


def folded(x: Array, axes: MatrixAxes) -> Array:
    """The array as a batch of matrices."""
    batch = [x.shape[i] for i in axes[0]]
    return x.transpose(sum(axes, ())).reshape(*batch, *sides(x.shape, axes))


def unfolded(matrices: Array, axes: MatrixAxes, shape: Sequence[int]) -> Array:
    """The array of this shape that these are the matrices of."""
    order = sum(axes, ())
    back = sorted(range(len(order)), key=order.__getitem__)
    return matrices.reshape([shape[i] for i in order]).transpose(back)
