"""Which arrays a transformation lets share a buffer, and its state over packed parameters."""

from collections.abc import Callable, Iterator
from typing import Any

import jax

from regopt_jax._core import GradientTransformation, PyTree, trees
from regopt_jax._core.derived import seen
from regopt_jax._core.nature import Chain, Rule, Wrapper
from regopt_jax._core.packed import Packed, is_packed, pack
from regopt_jax._core.stored import kept_like, plain
from regopt_jax._core.walk import walk


def pack_for(tx: GradientTransformation, params: PyTree) -> Packed:
    """Pack what every part of ``tx`` treats alike, and keep what it does not work elementwise on.

    Raises:
      ValueError: ``tx`` works elementwise on nothing; says why.
    """
    _, treedef = trees.flatten(params)
    paths = trees.leaf_paths(params)
    choices = list(_choices(tx, params))
    labels = ["/".join(str(one.get(path)) for one in choices) or None for path in paths]
    stays = _stays(tx, params)
    if paths and stays.issuperset(paths):
        mixing = next(part.tx.name for part in walk(tx) if _mixes(part.tx))
        raise ValueError(
            f"train_step: {mixing} is not elementwise: what it does to an element "
            "depends on the array that holds it, which a packed buffer has lost. Use pack=False."
        )
    kept = treedef.unflatten([path in stays for path in paths])
    return pack(params, treedef.unflatten(labels), keep=lambda _: kept)


def _choices(tx: GradientTransformation, params: PyTree) -> Iterator[dict[str, Any]]:
    """By path, how parts of ``tx`` tell leaves apart: by masks, labels and selectors."""
    for part in walk(tx, None, params):
        nature = part.tx.nature
        if isinstance(nature, Chain):
            continue
        if nature.masks is not None:
            paths = trees.leaf_paths(part.params)
            for on in nature.masks(part.params):
                yield dict(zip(paths, on, strict=True))
        if isinstance(nature, Wrapper) and nature.selects:
            for label, tree in zip(nature.names, seen(nature, part.params), strict=True):
                yield dict.fromkeys(trees.leaf_paths(tree), label)


def _stays(tx: GradientTransformation, params: PyTree) -> set[str]:
    """The paths of the leaves that ``tx`` does not work elementwise on."""
    mixing = (part for part in walk(tx, None, params) if _mixes(part.tx))
    return {path for part in mixing for path in trees.leaf_paths(part.params)}


def _mixes(tx: GradientTransformation) -> bool:
    """Whether it works across elements by itself, not only in a part."""
    if isinstance(tx.nature, Rule):
        return not tx.nature.elementwise
    return isinstance(tx.nature, Wrapper) and tx.nature.mixes


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
    kept = jax.eval_shape(init, packed)

    def convert(like: Any, own: Any) -> Any:
        return like.like(own) if is_packed(like) else own

    # What is packed is as it is computed in, whatever it was kept in.
    shapes = jax.eval_shape(plain, kept)
    return kept_like(kept, jax.tree.map(convert, shapes, plain(state), is_leaf=is_packed))
