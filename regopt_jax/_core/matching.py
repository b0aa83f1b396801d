"""Trees that must fit each other: what does not is refused by the path of a leaf."""

from collections.abc import Callable, Collection
from typing import Any

import jax
import jax.numpy as jnp

from regopt_jax._core.arithmetic import is_inexact
from regopt_jax._core.tolerance import strict
from regopt_jax._core.trees import PyTree, flatten, leaf_paths, path_string


def align(
    who: str,
    what: str,
    tree: PyTree,
    like: PyTree,
    treedef: Any,
    *,
    of: str = "gradients",
    advice: str = "Pass the tree whose structure `init` was called with.",
) -> list[Any]:
    """The subtrees of ``tree`` at the leaves of ``like``, whose structure is ``treedef``.

    ``what`` says what ``tree`` holds and ``of`` what ``like`` does.

    Raises:
      ValueError: the structures differ; names the paths found on one side only.
    """
    try:
        return list(treedef.flatten_up_to(tree))
    except ValueError as error:
        if not strict():
            raise
        here, there = set(leaf_paths(like)), set(leaf_paths(tree))
        above = {path for leaf in there for path in _prefixes(leaf)}
        only_like = ", ".join(sorted(here - above)[:5]) or "none"
        only_tree = ", ".join(sorted(x for x in there if here.isdisjoint(_prefixes(x)))[:5])
        if here == there:
            raise ValueError(
                f"{who}: the {of.removesuffix('s')} tree does not match the {what}: "
                f"{_first_other_node(tree, like, what, of)}. {advice}"
            ) from error
        raise ValueError(
            f"{who}: the {of.removesuffix('s')} tree does not match the {what}. Leaves of the "
            f"{of} only: {only_like}. Leaves of the {what} only: {only_tree or 'none'}. {advice}"
        ) from error


def _first_other_node(tree: PyTree, like: PyTree, what: str, of: str) -> str:
    """Where two trees of equal paths are of nodes of other types, or of other static data."""
    pairs: list[tuple[tuple[Any, ...], PyTree, PyTree]] = [((), tree, like)]
    for path, a, b in pairs:
        if type(a) is not type(b):
            kinds = (type(a).__name__, type(b).__name__)
            return f"at '{path_string(path)}' the {what} have a {kinds[0]}, the {of} a {kinds[1]}"
        below = [
            jax.tree.flatten_with_path(x, is_leaf=lambda y, x=x: y is not x)[0] for x in (a, b)
        ]
        if not jax.tree_util.all_leaves([a]):
            pairs.extend(((*path, *key), x, y) for (key, x), (_, y) in zip(*below, strict=False))
    return "a node holds other static data"


def _prefixes(path: str) -> list[str]:
    """The paths of a leaf and of the nodes above it."""
    parts = path.split("/")
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def check_shapes(who: str, what: str, tree: PyTree, leaves: list[Any], others: list[Any]) -> None:
    """Compare shapes leaf by leaf, naming the path of the first that differs."""
    for index, (leaf, other) in enumerate(zip(leaves, others, strict=True)):
        if (
            leaf is None
            or not strict()
            or (other is not None and jnp.shape(leaf) == jnp.shape(other))
        ):
            continue
        if other is None:
            raise ValueError(
                f"{who}: the leaf at '{leaf_paths(tree)[index]}' has a gradient but no {what}: "
                "it was None before."
            )
        raise ValueError(
            f"{who}: the leaf at '{leaf_paths(tree)[index]}' has shape {jnp.shape(leaf)}, "
            f"its {what} {jnp.shape(other)}."
        )


def check_inexact(who: str, tree: PyTree, what: str = "gradient") -> None:
    """Refuse leaves that cannot be optimised, naming the path of the first."""
    for index, leaf in enumerate(flatten(tree)[0] if strict() else ()):
        if leaf is not None and not is_inexact(leaf):
            path, kind = leaf_paths(tree)[index], getattr(leaf, "dtype", type(leaf).__name__)
            raise TypeError(
                f"{who}: the {what} at '{path}' is of {kind}, which cannot be optimised. "
                "Optimise floating-point or complex arrays only; set the others to None "
                "(regopt_jax.trainable does) or mask them out."
            )


def check_real(who: str, tree: PyTree) -> None:
    """Refuse complex leaves, naming the path of the first."""
    for path, leaf in zip(leaf_paths(tree), flatten(tree)[0], strict=True):
        if jnp.iscomplexobj(leaf):
            raise TypeError(
                f"{who}: the parameter at '{path}' is complex, for which it is not defined. "
                "Optimise its parts, as regopt_jax.split_real_and_imaginary does."
            )


def map_leaves(
    who: str,
    function: Callable[..., Any],
    tree: PyTree,
    *,
    broadcast: Collection[str] = (),
    **others: PyTree,
) -> PyTree:
    """Map over a tree and others named by what they hold; ``None`` in any gives ``None``.

    Those named in ``broadcast`` need the structure of ``tree``, but not its shapes.

    Raises:
      ValueError: a tree differs from the first in structure or in a shape; names the path.
    """
    leaves, treedef = flatten(tree)
    columns = [leaves]
    for what, other in others.items():
        column = align(who, what, other, tree, treedef)
        if what not in broadcast:
            present = [x if o is None else o for x, o in zip(leaves, column, strict=True)]
            check_shapes(who, what.removesuffix("s"), tree, leaves, present)
        columns.append(column)

    def one(*xs: Any) -> Any:
        if any(x is None for x in xs):
            return None
        with jax.numpy_dtype_promotion("standard"):
            return function(*xs)

    return treedef.unflatten([one(*xs) for xs in zip(*columns, strict=True)])


class ParamsNeededError(ValueError):
    """An update needs the parameters and did not get them."""

    def __init__(self, who: str, first: str) -> None:
        super().__init__(
            f"{who}: the parameters are needed (first leaf: '{first}'); "
            "call update(updates, state, params)."
        )
        self.first = first


def params_needed(who: str, updates: PyTree) -> ParamsNeededError:
    """The error of an update of ``who`` without the parameters."""
    return ParamsNeededError(who, (leaf_paths(updates) or ["none"])[0])
