"""Pytrees: leaves with the names of their paths.

``None`` counts as a leaf here (a parameter without a gradient), unlike in ``jax.tree``;
``optax.MaskedNode`` is an empty subtree, as in Optax.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core.arithmetic import Array as Array, ArrayLike as ArrayLike, PyTree as PyTree
from regopt_jax._core.tolerance import strict


def _is_none(x: Any) -> bool:
    return x is None


def path_string(path: Sequence[Any]) -> str:
    """``params['dense']['kernel']`` as ``dense/kernel``; the root leaf as ``<root>``."""
    return jax.tree_util.keystr(tuple(path), simple=True, separator="/") or "<root>"


def flatten(tree: PyTree) -> tuple[list[Any], Any]:
    """Leaves, ``None`` included, and the structure that holds them."""
    return jax.tree.flatten(tree, is_leaf=_is_none)


def leaf_paths(tree: PyTree) -> list[str]:
    """The path of every leaf of :func:`flatten`, in its order.

    A box adds no part: a node whose only child is its attribute ``value``, such as a
    ``Variable`` of Flax NNX.
    """
    with_paths, treedef = jax.tree.flatten_with_path(tree, is_leaf=_is_none)
    paths = [tuple(path) for path, _ in with_paths]
    if any(_BOXED in path for path in paths):
        alone = _only_children(treedef, ())
        paths = [
            tuple(k for k, only in zip(path, each, strict=True) if not (only and k == _BOXED))
            for path, each in zip(paths, alone, strict=True)
        ]
    return [path_string(path) for path in paths]


_BOXED = jax.tree_util.GetAttrKey("value")


def _only_children(treedef: Any, above: tuple[bool, ...]) -> Iterator[tuple[bool, ...]]:
    """For each leaf and each node on the way to it, whether the node has no siblings."""
    children = treedef.children()
    if not children and treedef.num_leaves:
        yield above
    for child in children:
        yield from _only_children(child, (*above, len(children) == 1))


def has_masked_nodes(tree: PyTree) -> bool:
    """Whether a mask or a partition has narrowed this tree."""

    def is_masked(x: Any) -> bool:
        return isinstance(x, optax.MaskedNode)

    return any(map(is_masked, jax.tree.leaves(tree, is_leaf=is_masked)))


def spread(x: PyTree, tree: PyTree) -> PyTree:
    """A tree like ``tree`` with ``x`` at each leaf, if ``x`` is one number; else ``x`` itself."""
    if not jax.tree_util.all_leaves([x]):
        return x
    leaves, treedef = flatten(tree)
    return treedef.unflatten([x] * len(leaves))


def ones(tree: PyTree) -> PyTree:
    """1 at each leaf: the metric of what rescales no coordinate."""
    return jax.tree.map(lambda _: 1.0, tree)


def is_abstract(tree: PyTree) -> bool:
    """Whether a tree holds shapes in place of arrays."""
    return any(isinstance(x, jax.ShapeDtypeStruct) for x in jax.tree.leaves(tree))


def on_shapes_too(init: Callable[[PyTree], Any]) -> Callable[[PyTree], Any]:
    """An ``init`` that makes shapes of shapes, and no arrays; in Optax's face zeros, as there."""

    def checked(params: PyTree) -> Any:
        if not is_abstract(params):
            return init(params)
        leaves, treedef = flatten(params)
        shapes = [x for x in leaves if isinstance(x, jax.ShapeDtypeStruct)]

        def of(arrays: Sequence[Any]) -> Any:
            given = iter(arrays)
            whole = [next(given) if isinstance(x, jax.ShapeDtypeStruct) else x for x in leaves]
            return init(treedef.unflatten(whole))

        if not strict():
            return of([jnp.zeros(x.shape, x.dtype, device=x.sharding) for x in shapes])
        return jax.eval_shape(of, shapes)

    return checked


def key_paths(tree: PyTree) -> dict[Any, None]:
    """The paths of the leaves that are not ``None``, as JAX has them, in order."""
    return {path: None for path, x in jax.tree.flatten_with_path(tree)[0]}


def overlaid(base: PyTree, *trees: PyTree) -> PyTree:
    """``base`` with the leaves of others, which masks have narrowed, in their places."""
    found: dict[Any, Any] = {}
    for tree in trees:
        found |= jax.tree.flatten_with_path(tree, is_leaf=_is_none)[0]
    treedef: Any
    leaves, treedef = jax.tree.flatten_with_path(base, is_leaf=_is_none)
    return treedef.unflatten([found.get(path, leaf) for path, leaf in leaves])


def extent(leaves: int, elements: int) -> str:
    """How much of a tree, in words."""
    return f"{leaves} {'leaf' if leaves == 1 else 'leaves'}, {elements:,} elements"


def fast(tree: PyTree) -> PyTree:
    """The fast parameters of ``optax.LookaheadParams``; any other tree as it is."""
    return tree.fast if isinstance(tree, optax.LookaheadParams) else tree


def unshared(tree: PyTree, *others: PyTree) -> PyTree:
    """The tree, with a copy of each array that it has twice, or that is in another tree.

    A donated step gives each buffer away once.
    """
    seen = {id(x) for x in jax.tree.leaves(others)}

    def own(x: Any) -> Any:
        again = id(x) in seen and isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer)
        seen.add(id(x))
        return jnp.copy(x) if again else x

    return jax.tree.map(own, tree)
