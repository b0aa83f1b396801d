"""A chain as a tree that people read: what each part is, where it acts and what it keeps."""

import dataclasses
import html
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np
import optax

from regopt_jax._core import GradientTransformation, PyTree, as_transformation, trees
from regopt_jax._core.derived import seen
from regopt_jax._core.nature import Chain, Wrapper
from regopt_jax._core.protocol import hyperparameters
from regopt_jax._core.show import shown
from regopt_jax._core.untrained import arrays, trainable
from regopt_jax._core.walk import Part, walk
from regopt_jax.regularizers.base import Regularizer

_WIDTH = 92
_BESIDE = "│  "
_NUMBER = (int, float, jax.Array, np.number)
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
        return trees.extent(self.leaves, self.elements or 0)

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
    part = as_transformation(tx)
    if params is None:
        return _tree(walk(part))
    whole = jax.eval_shape(lambda: arrays(params))
    return _tree(walk(part, jax.eval_shape(part.init, whole), trainable(whole)))


def _tree(parts: Iterable[Part]) -> Description:
    """The stops of a walk, hung into each other."""
    rows = [(part, _row(part)) for part in parts]
    inside: dict[tuple[str, ...], list[Description]] = {}
    for part, row in reversed(rows):
        whole = dataclasses.replace(row, parts=tuple(reversed(inside.pop(part.path, []))))
        inside.setdefault(part.path[:-1], []).append(whole)
        if not part.path:
            return whole
    raise AssertionError


def _row(part: Part) -> Description:
    tx, state, known = part.tx, part.state, part.params is not None
    on = [leaf for leaf in _acts_on(tx, part.params) if leaf is not None] if known else None
    apart = zip(_LEGEND, (not tx.elementwise, tx.metric is None), strict=True)
    own = {} if isinstance(tx.nature, Chain) else hyperparameters(tx.built)
    return Description(
        label=part.label,
        name=tx.name,
        hyperparams={key: shown(value) for key, value in own.items() if _tells(tx, key, value)},
        works=", ".join(what for what, so in apart if so),
        leaves=None if on is None else len(on),
        elements=None if on is None else sum(math.prod(x.shape) for x in on),
        state_bytes=sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state))
        if known
        else None,
        parts=(),
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


def _tells(tx: GradientTransformation, key: str, value: Any) -> bool:
    """Whether an argument is worth its place; what a whole tree selects, ``leaves`` says."""
    plain = isinstance(value, Regularizer) or type(value) in (tuple, list)
    tree = not plain and not callable(value) and not jax.tree_util.all_leaves([value])
    if value is None or value is False or tree:
        return False
    return (isinstance(value, _NUMBER) and value is not True) or key in tx.built.given


def _acts_on(tx: GradientTransformation, params: PyTree) -> list[Any]:
    """The leaves to which ``tx`` does anything."""
    leaves, _ = trees.flatten(params)
    if not isinstance(tx.nature, Chain) and tx.nature.masks is not None:
        masks = tx.nature.masks(params)
        return [leaf for leaf, *on in zip(leaves, *masks, strict=True) if any(on)]
    if isinstance(tx.nature, Wrapper) and tx.nature.selects:
        return [x for tree in seen(tx.nature, params) for x in trees.flatten(tree)[0]]
    return leaves


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError
