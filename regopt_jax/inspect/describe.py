"""A chain as a tree that people read: what each part is, where it acts and what it keeps."""

import dataclasses
import html
import textwrap
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import optax

from regopt_jax import _trees
from regopt_jax._core import GradientTransformation, adopt
from regopt_jax._hyperparams import shown
from regopt_jax._trees import PyTree
from regopt_jax.regularizers.base import Regularizer

_WIDTH = 72
_CHOICES = ("mask", "param_labels")


@dataclasses.dataclass(frozen=True)
class Description:
    """One part of a transformation and the parts inside it; prints as a tree.

    Attributes:
      label: what the part is called within the whole.
      name: the function that made it.
      hyperparams: its hyperparameters as text.
      kind: how it works: ``elementwise`` or ``across elements``, and ``metric`` where it
        has one, which a proximal map needs.
      covers: the leaves and elements it acts on, where parameters were given.
      state_bytes: the size of its state, where parameters were given.
      parts: the parts inside.
    """

    label: str
    name: str
    hyperparams: dict[str, str]
    kind: str
    covers: str | None
    state_bytes: int | None
    parts: tuple["Description", ...]

    @property
    def title(self) -> str:
        """The part as a call, under its label where that says more."""
        given = ", ".join(f"{key}={value}" for key, value in self.hyperparams.items())
        call = f"{self.name}({given})" if given or not self.parts else self.name
        return call if self.label == self.name else f"{self.label}: {call}"

    @property
    def columns(self) -> tuple[str, ...]:
        """What stands beside the title: kind, covered leaves and state, as far as known."""
        state = None if self.state_bytes is None else _size(self.state_bytes)
        return tuple(x for x in (self.kind, self.covers, state) if x is not None)

    def __str__(self) -> str:
        rows = list(self._rows("", ""))
        lengths = [[len(cell) for cell in row] for row in rows]
        widths = [max(column) for column in zip(*lengths, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    __repr__ = __str__

    def _rows(self, first: str, rest: str) -> Iterator[tuple[str, ...]]:
        width = max(_WIDTH - len(first), _WIDTH // 2)
        title, *more = textwrap.wrap(self.title, width, break_long_words=False)
        yield (first + title, *self.columns)
        beside = "│  " if self.parts else "   "
        for line in more:
            yield (f"{rest}{beside}  {line}", *("" for _ in self.columns))
        for i, part in enumerate(self.parts):
            last = i == len(self.parts) - 1
            branch, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
            yield from part._rows(rest + branch, rest + below)

    def _repr_html_(self) -> str:
        def rows(part: "Description", depth: int) -> Iterator[str]:
            style = f"text-align:left;padding-left:{0.5 + 1.5 * depth}em"
            cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in part.columns)
            yield f'<tr><td style="{style}"><code>{html.escape(part.title)}</code></td>{cells}</tr>'
            for inner in part.parts:
                yield from rows(inner, depth + 1)

        heads = ["part", "works", *(["on", "state"] if self.state_bytes is not None else [])]
        header = "".join(f"<th>{head}</th>" for head in heads)
        return f"<table><tr>{header}</tr>{''.join(rows(self, 0))}</table>"


def describe(tx: optax.GradientTransformation, params: PyTree | None = None) -> Description:
    """What a transformation is made of, as a tree to read or to print.

    Args:
      tx: a transformation; of Optax's own only the name is known.
      params: the parameters, or their shapes; with them the tree also says which leaves
        each mask or group covers and how large each state is.

    Returns:
      A :class:`Description`: text in a terminal, a table in a notebook.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> print(ro.describe(ro.sgd(0.1, momentum=0.9), {"w": jnp.zeros((4, 2))}))
    sgd                                           elementwise, metric  1 leaf, 8 elements  32 B
    ├─ trace(decay=0.9, dampening=0)              elementwise, metric  1 leaf, 8 elements  32 B
    └─ scale_by_learning_rate(learning_rate=0.1)  elementwise, metric  1 leaf, 8 elements  0 B
    """
    part = adopt(tx)
    if params is None:
        return _describe(part, part.name, None, None)
    shapes = jax.eval_shape(lambda: params)
    return _describe(part, part.name, jax.eval_shape(part.init, shapes), shapes)


def _describe(tx: GradientTransformation, label: str, state: Any, params: Any) -> Description:
    known = params is not None
    inside: list[Description] = []
    if tx.composition is not None:
        count = len(tx.parts)
        states = tx.composition.states(state) if known else (None,) * count
        narrowed = tx.composition.narrowed(params) if known else (None,) * count
        parts = zip(tx.parts, tx.composition.labels, states, narrowed, strict=True)
        inside = [_describe(*each) for each in parts]
    hidden = () if tx.composition is None else _CHOICES
    kind = "elementwise" if tx.elementwise else "across elements"
    return Description(
        label=label,
        name=tx.name,
        hyperparams={
            key: shown(value)
            for key, value in tx.hyperparams.items()
            if value is not None and value is not False and not (key in hidden and _long(value))
        },
        kind=f"{kind}, metric" if tx.metric is not None else kind,
        covers=_covers(tx, params) if known else None,
        state_bytes=sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state))
        if known
        else None,
        parts=tuple(inside),
    )


def _long(value: Any) -> bool:
    """Whether a mask or labels are a whole tree, which ``covers`` says better."""
    return not callable(value) and not jax.tree_util.all_leaves([value])


def _covers(tx: GradientTransformation, params: PyTree) -> str:
    on = [leaf for leaf in _acts_on(tx, params) if leaf is not None]
    elements = sum(int(np.prod(x.shape)) for x in on)
    return f"{len(on)} {'leaf' if len(on) == 1 else 'leaves'}, {elements:,} elements"


def _acts_on(tx: GradientTransformation, params: PyTree) -> list[Any]:
    """The leaves to which ``tx`` does anything."""
    leaves, _ = _trees.flatten(params)
    regularizer = tx.hyperparams.get("regularizer")
    if isinstance(regularizer, Regularizer) and not tx.parts:
        masks = [_trees.flatten(term.where(params))[0] for term in regularizer.terms]
        return [leaf for leaf, *on in zip(leaves, *masks, strict=True) if any(on)]
    if tx.composition is not None and tx.composition.narrow is not None:
        return [x for tree in tx.composition.narrow(params) for x in _trees.flatten(tree)[0]]
    return leaves


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError
