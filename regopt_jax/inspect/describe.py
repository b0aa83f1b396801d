"""A chain as a tree that people read: what each part is, where it acts and what it keeps."""

import dataclasses
import html
import math
import re
from collections.abc import Iterator
from typing import Any

import jax
import optax

from regopt_jax import _trees
from regopt_jax._core import GradientTransformation, adopt
from regopt_jax._hyperparams import shown
from regopt_jax._trees import PyTree
from regopt_jax.regularizers.base import Regularizer

_WIDTH = 92
_BESIDE = "│  "
_CHOICES = ("mask", "param_labels")
_NUMBERS = ("leaves", "elements", "state")
_LEGEND = {"across elements": "cannot be packed", "no metric": "no proximal map can follow"}


@dataclasses.dataclass(frozen=True)
class Description:
    """One part of a transformation and the parts inside it; prints as a table.

    Attributes:
      label: what the part is called within the whole.
      name: the function that made it.
      hyperparams: its hyperparameters as text.
      works: what sets it apart: ``across elements``, so that its arrays cannot be packed, or
        ``no metric``, so that a proximal map cannot follow; else empty. The printed table
        ends with a legend of what is in this column.
      leaves, elements: how many it acts on, where parameters were given.
      state_bytes: the size of its state, where parameters were given.
      parts: the parts inside.
    """

    label: str
    name: str
    hyperparams: dict[str, str]
    works: str
    leaves: int | None
    elements: int | None
    state_bytes: int | None
    parts: tuple["Description", ...]

    @property
    def title(self) -> str:
        """The part as a call, under its label where that says more."""
        given = ", ".join(f"{key}={value}" for key, value in self.hyperparams.items())
        call = f"{self.name}({given})" if given or not self.parts else self.name
        return call if self.label == self.name else f"{self.label}: {call}"

    @property
    def covers(self) -> str | None:
        """The leaves and elements it acts on, in words."""
        if self.leaves is None:
            return None
        return _trees.extent(self.leaves, self.elements or 0)

    @property
    def columns(self) -> dict[str, str]:
        """What stands beside the title, as far as known."""
        if self.leaves is None or self.state_bytes is None:
            return {"works": self.works}
        numbers = (str(self.leaves), f"{self.elements:,}", _size(self.state_bytes))
        return {"works": self.works, **dict(zip(_NUMBERS, numbers, strict=True))}

    def _heads(self) -> list[str]:
        """The columns of the whole table; ``works`` only where something is set apart."""
        return [h for h in self.columns if h != "works" or any(p.works for _, p in self._all())]

    def _legend(self) -> str:
        """What ``works`` says in this table, explained."""
        found = {what for _, part in self._all() for what in part.works.split(", ")}
        return "; ".join(f"{what}: {said}" for what, said in _LEGEND.items() if what in found)

    def _all(self, depth: int = 0) -> Iterator[tuple[int, "Description"]]:
        yield depth, self
        for part in self.parts:
            yield from part._all(depth + 1)

    def __str__(self) -> str:
        heads = self._heads()
        table = [["part", *heads]] if self.leaves is not None else []
        beside = [part.columns for _, part in self._all()]
        widths = [max(len(x) for x in (h, *(row[h] for row in beside))) for h in heads]
        room = _WIDTH - sum(width + 2 for width in widths)
        for title, part in self._lines("", "", room):
            table.append([title, *(part.columns[h] if part else "" for h in heads)])
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]

        def aligned(row: list[str]) -> str:
            cells = zip(row, ["part", *heads], widths, strict=True)
            return "  ".join(x.rjust(w) if h in _NUMBERS else x.ljust(w) for x, h, w in cells)

        legend = self._legend()
        below = ["", legend] if legend else []
        return "\n".join([*(aligned(row).rstrip() for row in table), *below])

    __repr__ = __str__

    def _lines(self, first: str, rest: str, room: int) -> Iterator[tuple[str, Any]]:
        """The titles as a tree; each line with its part, or none where a title goes on."""
        width = max(room - len(first), room // 2, 32)
        beside = _BESIDE if self.parts else "   "
        title, *more = _wrapped(self.title, width)
        yield first + title, self
        for line in more:
            yield f"{rest}{beside}  {line}", None
        for i, part in enumerate(self.parts):
            last = i == len(self.parts) - 1
            branch, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
            yield from part._lines(rest + branch, rest + below, room)

    def _repr_html_(self) -> str:
        heads = self._heads()
        align = {h: "right" if h in _NUMBERS else "left" for h in ("part", *heads)}
        header = "".join(f'<th style="text-align:{align[h]}">{h}</th>' for h in ("part", *heads))
        rows = ""
        for depth, part in self._all():
            style = f"text-align:left;padding-left:{0.5 + 1.5 * depth}em"
            rows += f'<tr><td style="{style}"><code>{html.escape(part.title)}</code></td>'
            for h in heads:
                style = f"text-align:{align[h]};white-space:nowrap"
                rows += f'<td style="{style}">{html.escape(part.columns[h])}</td>'
            rows += "</tr>"
        return f"<table><tr>{header}</tr>{rows}</table>{html.escape(self._legend())}"


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
    part                                          leaves  elements  state
    sgd                                                1         8   32 B
    ├─ trace(decay=0.9, dampening=0)                   1         8   32 B
    └─ scale_by_learning_rate(learning_rate=0.1)       1         8    0 B
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
    on = [leaf for leaf in _acts_on(tx, params) if leaf is not None] if known else None
    apart = zip(_LEGEND, (not tx.elementwise, tx.metric is None), strict=True)
    return Description(
        label=label,
        name=tx.name,
        hyperparams={
            key: shown(value)
            for key, value in tx.hyperparams.items()
            if value is not None and value is not False and not (key in hidden and _long(value))
        },
        works=", ".join(what for what, so in apart if so),
        leaves=None if on is None else len(on),
        elements=None if on is None else sum(math.prod(x.shape) for x in on),
        state_bytes=sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state))
        if known
        else None,
        parts=tuple(inside),
    )


def _wrapped(call: str, width: int) -> list[str]:
    """A call in lines that break after spaces, and in long words after opening brackets."""
    words = (x if len(x) <= width // 2 else re.sub(r"\(", "(\n", x) for x in call.split(" "))
    lines = [""]
    for piece in " \n".join(words).split("\n"):
        room = width if len(lines) == 1 else width - len(_BESIDE) - 2
        if lines[-1] and len(lines[-1] + piece.rstrip()) > room:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def _long(value: Any) -> bool:
    """Whether a mask or labels are a whole tree, which ``covers`` says better."""
    return not callable(value) and not jax.tree_util.all_leaves([value])


def _acts_on(tx: GradientTransformation, params: PyTree) -> list[Any]:
    """The leaves to which ``tx`` does anything."""
    leaves, _ = _trees.flatten(params)
    regularizer = tx.hyperparams.get("regularizer")
    if isinstance(regularizer, Regularizer):
        masks = regularizer.masks(params)
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
