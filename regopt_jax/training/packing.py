"""Which arrays a transformation lets share a buffer, and its state over packed parameters."""

from collections.abc import Callable, Iterator
from typing import Any

import jax

from regopt_jax import _trees
from regopt_jax._core import GradientTransformation
from regopt_jax._packed import Packed, is_packed, pack, per_leaf
from regopt_jax._trees import PyTree
from regopt_jax.combine.select import resolve_mask
from regopt_jax.regularizers.base import Regularizer


def pack_for(tx: GradientTransformation, params: PyTree) -> Packed:
    """Pack what every part of ``tx`` treats alike, and keep what it does not work elementwise on.

    Raises:
      ValueError: ``tx`` works elementwise on nothing; says why.
    """
    _, treedef = _trees.flatten(params)
    paths = _trees.leaf_paths(params)
    choices = list(_choices(tx, params))
    labels = ["/".join(str(one.get(path)) for one in choices) or None for path in paths]
    stays = _stays(tx, params)
    if paths and stays.issuperset(paths):
        raise ValueError(
            f"train_step: {_not_elementwise(tx)} is not elementwise: what it does to an element "
            "depends on the array that holds it, which a packed buffer has lost. Use pack=False."
        )
    kept = treedef.unflatten([path in stays for path in paths])
    return pack(params, treedef.unflatten(labels), keep=lambda _: kept)


def _choices(tx: GradientTransformation, params: PyTree) -> Iterator[dict[str, Any]]:
    """By path, how parts of ``tx`` tell leaves apart: by masks, labels and selectors."""
    regularizer = tx.hyperparams.get("regularizer")
    masks = regularizer.masks(params) if isinstance(regularizer, Regularizer) else []
    if "where" in tx.hyperparams:
        _, treedef = _trees.flatten(params)
        masks.append(per_leaf(resolve_mask(tx.hyperparams["where"], params), treedef))
    for on in masks:
        yield dict(zip(_trees.leaf_paths(params), on, strict=True))
    if tx.composition is None:
        return
    trees = tx.composition.narrowed(params)
    if tx.composition.narrow is not None:
        for label, tree in zip(tx.composition.labels, trees, strict=True):
            yield dict.fromkeys(_trees.leaf_paths(tree), label)
    for part, tree in zip(tx.parts, trees, strict=True):
        yield from _choices(part, tree)


def _stays(tx: GradientTransformation, params: PyTree) -> set[str]:
    """The paths of the leaves that ``tx`` does not work elementwise on."""
    if tx.elementwise:
        return set()
    if tx.composition is None or tx.composition.across:
        return set(_trees.leaf_paths(params))
    pairs = zip(tx.parts, tx.composition.narrowed(params), strict=True)
    return {path for part, tree in pairs for path in _stays(part, tree)}


def _not_elementwise(tx: GradientTransformation) -> str:
    if tx.composition is None or tx.composition.across:
        return tx.name
    inside = [_not_elementwise(part) for part in tx.parts if not part.elementwise]
    return inside[0] if inside else tx.name


def unpack_state(state: Any) -> Any:
    """An optimiser's state over packed parameters, in the layout of the tree."""
    return jax.tree.map(lambda x: x.unpack() if is_packed(x) else x, state, is_leaf=is_packed)


def pack_state(init: Callable[[PyTree], Any], state: Any, packed: Packed) -> Any:
    """An optimiser's state in the layout of the tree, over packed parameters.

    Args:
      init: the transformation's ``init``.
      state: its state over the tree.
      packed: the packed parameters.
    """
    shapes = jax.eval_shape(init, packed)

    def convert(like: Any, own: Any) -> Any:
        return like.like(own) if is_packed(like) else own

    return jax.tree.map(convert, shapes, state, is_leaf=is_packed)
