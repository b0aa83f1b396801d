"""Which arrays a transformation lets share a buffer, read off its description."""

from collections.abc import Iterator
from typing import Any

from regopt_jax import _trees
from regopt_jax._core import GradientTransformation
from regopt_jax._packed import Packed, pack, per_leaf
from regopt_jax._trees import PyTree
from regopt_jax.combine.select import resolve_mask
from regopt_jax.regularizers.base import Regularizer


def pack_for(tx: GradientTransformation, params: PyTree) -> Packed:
    """Pack what every part of ``tx`` treats alike, and keep what it does not work elementwise on.

    Raises:
      ValueError: ``tx`` works elementwise on nothing; says why.
    """
    leaves, treedef = _trees.flatten(params)
    columns = [per_leaf(resolve_mask(choice, params), treedef) for choice in _choices(tx)]
    labels = ["/".join(str(column[i]) for column in columns) or None for i in range(len(leaves))]
    stays = _stays(tx, params)
    if leaves and all(stays):
        raise ValueError(
            f"train_step: {_not_elementwise(tx)} is not elementwise: what it does to an element "
            "depends on the array that holds it, which a packed buffer has lost. Use pack=False."
        )
    return pack(params, treedef.unflatten(labels), keep=lambda _: treedef.unflatten(stays))


def _choices(tx: GradientTransformation) -> Iterator[Any]:
    """The masks, labels and selectors by which parts of ``tx`` tell leaves apart."""
    for name in ("mask", "param_labels", "where"):
        if name in tx.hyperparams:
            yield tx.hyperparams[name]
    regularizer = tx.hyperparams.get("regularizer")
    if isinstance(regularizer, Regularizer):
        yield from (term.where for term in regularizer.terms)
    for part in tx.parts:
        yield from _choices(part)


def _stays(tx: GradientTransformation, params: PyTree) -> list[bool]:
    leaves, treedef = _trees.flatten(params)
    if tx.elementwise:
        return [False] * len(leaves)
    if all(part.elementwise for part in tx.parts):
        return [True] * len(leaves)
    inside = [_stays(part, params) for part in tx.parts]
    if tx.name == "partition" and tx.composition is not None:
        chosen = per_leaf(resolve_mask(tx.hyperparams["param_labels"], params), treedef)
        by_label = dict(zip(tx.composition.labels, inside, strict=True))
        return [x is not None and by_label[str(x)][i] for i, x in enumerate(chosen)]
    if tx.name == "masked":
        mask = resolve_mask(tx.hyperparams["mask"], params)
        on = per_leaf(mask, treedef)
        return [bool(m) and stays for m, stays in zip(on, inside[0], strict=True)]
    return [any(column) for column in zip(*inside, strict=True)]


def _not_elementwise(tx: GradientTransformation) -> str:
    inside = [_not_elementwise(part) for part in tx.parts if not part.elementwise]
    return inside[0] if inside else tx.name
