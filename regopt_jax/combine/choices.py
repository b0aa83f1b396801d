"""Masks and labels: one choice for each leaf, or for each subtree, of a parameter tree.

Every mask and label passes :func:`resolve`, so that what is no choice is refused in one place.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax

from regopt_jax._core import PyTree, matching, trees
from regopt_jax._core.packed import Packed
from regopt_jax._core.tolerance import strict

Mask = PyTree | Callable[[PyTree], PyTree]


def refuse_strings(who: str, mask: Mask) -> None:
    """Refuse a mask that holds a pattern instead of booleans."""
    leaves, paths = trees.flatten(mask)[0], trees.leaf_paths(mask)
    for path, leaf in zip(paths, leaves, strict=True):
        if isinstance(leaf, str):
            raise ValueError(
                f"{who}: the mask has the string {leaf!r} at '{path}', where a boolean belongs. To "
                f"select leaves by their paths, make it regopt_jax.select({leaf!r})."
            )


def _is_function(x: Any, tree: PyTree) -> bool:
    """Whether x is a function of trees: a module of choices for ``tree`` can be called too."""
    if not callable(x) or all(map(callable, jax.tree.leaves(x))):
        return callable(x)
    try:
        trees.flatten(x)[1].flatten_up_to(tree)
    except ValueError:
        return True
    return False


def resolve(who: str, of: str, choices: PyTree, tree: PyTree) -> PyTree:
    """The tree of choices, a mask or labels, that a tree, or a function that makes it, stands for.

    Raises:
      ValueError: a leaf has no choice, or one of a mask is no boolean; by path.
    """
    whole = tree.unpacked_shapes() if isinstance(tree, Packed) else tree
    made = choices(whole) if _is_function(choices, whole) else choices
    if isinstance(made, Packed):
        return made
    _check(who, of, made, whole)
    return tree.uniform(made) if isinstance(tree, Packed) else made


def _check(who: str, of: str, choices: PyTree, tree: PyTree) -> None:
    if of == "mask":
        refuse_strings(who, choices)
    leaves, subtrees, _ = split(who, of, choices, tree)
    for index, (leaf, subtree) in enumerate(zip(leaves, subtrees, strict=True)):
        if leaf is None and any(x is not None for x in trees.flatten(subtree)[0]):
            path = trees.leaf_paths(choices)[index]
            kind = "True or False" if of == "mask" else "a label"
            raise ValueError(f"{who}: the {of} at '{path}' is None, where {kind} belongs.")
        if of == "mask" and strict() and not (leaf is None or _is_boolean(leaf)):
            path = trees.leaf_paths(choices)[index]
            raise ValueError(
                f"{who}: the mask at '{path}' is {leaf!r}, where True or False belongs."
            )


def _is_boolean(x: Any) -> bool:
    if isinstance(x, bool | int | np.bool_):
        return True
    return isinstance(x, jax.Array | np.ndarray) and x.shape == () and x.dtype == bool


def assigned(
    who: str, of: str, choices: PyTree, tree: PyTree
) -> tuple[list[Any], list[PyTree], Any]:
    """What :func:`split` makes of the choices that :func:`resolve` finds."""
    return split(who, of, resolve(who, of, choices, tree), tree)


def split(who: str, of: str, choices: PyTree, tree: PyTree) -> tuple[list[Any], list[PyTree], Any]:
    """The leaves of ``choices``, a mask or labels, the subtrees under each, and its structure.

    Raises:
      ValueError: it is not a prefix of ``tree``; names the paths found on one side only.
    """
    leaves, treedef = trees.flatten(choices)
    advice = f"Give the {of} the structure of the parameters, or of a prefix of theirs."
    subtrees = matching.align(who, "parameters", tree, choices, treedef, of=of, advice=advice)
    return leaves, subtrees, treedef


def keep(mask_tree: PyTree, tree: PyTree) -> PyTree:
    """``tree`` with ``optax.MaskedNode`` where the mask is False."""
    masked = optax.MaskedNode()
    leaves, subtrees, treedef = split("masked", "mask", mask_tree, tree)
    return treedef.unflatten(
        [
            sub if on or (on is None and sub is None) else masked
            for on, sub in zip(leaves, subtrees, strict=True)
        ]
    )
