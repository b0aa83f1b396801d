"""Every public transformation, wrapper, optimiser, regulariser and schedule, from the code."""

import dataclasses
import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import optax

from regopt_jax._core import GradientTransformation, Schedule
from regopt_jax.inspect.mathtext import as_text, equation
from regopt_jax.inspect.ordinary import SIDE, build, bytes_per_parameter
from regopt_jax.interop.json import from_json
from regopt_jax.regularizers.base import Regularizer

NAMESPACES = ("regopt_jax", "regopt_jax.contrib", "regopt_jax.interop.torch")
TORCH = (
    *("Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "LBFGS", "Muon"),
    *("NAdam", "RAdam", "RMSprop", "Rprop", "SGD"),
)
HEADS = ("name", "equation", "bytes", "elementwise", "metric", "also in")
RIGHT = ("bytes",)
KINDS = (
    *("optimisers", "transformations", "regularisation", "regularisers"),
    *("schedules", "wrappers and combinations"),
)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A row of the table.

    Attributes:
      name: as one writes it after ``import regopt_jax``.
      kind: one of :data:`KINDS`.
      equation: its docstring's as text; of what has none, the parts it chains.
      bytes_per_parameter: of its state for one float32 matrix, a wrapper's without what it
        wraps; ``None`` where no state could be made from ordinary arguments, or there is none.
      elementwise, metric: see :class:`GradientTransformation`; ``None`` likewise.
      peers: the libraries that have it, by its name there.
    """

    name: str
    kind: str
    equation: str
    bytes_per_parameter: float | None
    elementwise: bool | None
    metric: bool | None
    peers: tuple[str, ...]

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text, a cell for each of :data:`HEADS`."""
        size = "" if self.bytes_per_parameter is None else f"{self.bytes_per_parameter:g}"
        flags = {True: "yes", False: "no", None: ""}
        return (
            self.name,
            self.equation,
            size,
            flags[self.elementwise],
            flags[self.metric],
            ", ".join(self.peers),
        )


def catalogue() -> tuple[Entry, ...]:
    """All of them, by kind and then by name.

    >>> adam = next(entry for entry in catalogue() if entry.name == "adam")
    >>> adam.bytes_per_parameter, adam.elementwise, adam.peers
    (8.0, True, ('optax', 'torch'))
    """
    entries = [_entry(name, function) for name, function in public()]
    return tuple(sorted(entries, key=lambda e: (KINDS.index(e.kind), "." in e.name, e.name)))


def table(kind: str, entries: Iterable[Entry]) -> tuple[list[str], list[tuple[str, ...]]]:
    """The headings of the columns that say something of a kind, and its rows."""
    rows = [entry.cells for entry in entries if entry.kind == kind]
    told = [i for i in range(len(HEADS)) if any(row[i] for row in rows)]
    return [HEADS[i] for i in told], [tuple(row[i] for i in told) for row in rows]


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The names and functions of the public makers of what the catalogue has.

    Each once: not again under an alias, nor in a namespace that repeats the root's.
    """
    seen: list[Any] = []
    for namespace in NAMESPACES:
        members = vars(importlib.import_module(namespace))
        prefix = namespace.removeprefix("regopt_jax").removeprefix(".")
        for name, member in sorted(members.items()):
            if name.startswith("_") or member in seen or not _is_listed(member):
                continue
            if member.__name__ != name and member.__name__ in members:
                continue
            seen.append(member)
            yield (f"{prefix}.{name}" if prefix else name), member


def _is_listed(member: Any) -> bool:
    if not inspect.isfunction(member) or member is from_json:
        return False
    root, *inside = member.__module__.split(".")
    # Of the core only what is made as the public transformations are.
    private = inside[:1] == ["_core"] and not hasattr(member, "__wrapped__")
    if root != "regopt_jax" or not inside or private:
        return False
    return _makes(member) in (Schedule, Regularizer) or _makes_transformations(member)


def _makes(function: Callable[..., Any]) -> Any:
    return inspect.signature(function).return_annotation


def _makes_transformations(function: Callable[..., Any]) -> bool:
    pattern = r"^(<class '|.*Callable\[\.\.\., )?[\w.]*GradientTransformation\b"
    return re.search(pattern, str(_makes(function))) is not None


def _entry(name: str, function: Callable[..., Any]) -> Entry:
    tx, inner = build(function) if _makes_transformations(function) else (None, None)
    size = None if tx is None else bytes_per_parameter(tx)
    if size is not None and inner is not None:
        size -= bytes_per_parameter(inner) or 0
    return Entry(
        name=name,
        kind=_kind(function),
        equation=_equation(function, tx),
        bytes_per_parameter=None if size is None else round(size, 2),
        elementwise=None if tx is None else tx.elementwise,
        metric=None if tx is None else tx.metric is not None,
        peers=tuple(_peers(name)),
    )


def _kind(function: Callable[..., Any]) -> str:
    package = function.__module__.split(".")[1]
    parameters = inspect.signature(function).parameters
    if _makes(function) == Schedule:
        return "schedules"
    if _makes(function) is Regularizer:
        return "regularisers"
    if package == "regularizers":
        return "regularisation"
    if any("GradientTransformation" in str(p.annotation) for p in parameters.values()):
        return "wrappers and combinations"
    optimises = package in ("optimizers", "interop") or {"learning_rate", "lr"} & set(parameters)
    if optimises and package != "transforms" and not function.__name__.startswith("scale_by_"):
        return "optimisers"
    return "transformations"


def _equation(function: Callable[..., Any], tx: GradientTransformation | None) -> str:
    docstring = inspect.getdoc(function) or ""
    sentence = docstring.split("\n\n")[0].replace("\n", " ")
    inline = re.search(r":math:`([^`]*[=←][^`]*)`", sentence)
    text = equation(docstring) or (as_text(inline[1]) if inline else "")
    if not text and tx is not None and tx.parts and _kind(function) == "optimisers":
        text = " → ".join(part.name for part in tx.parts)
    sentence = re.sub(r":math:`([^`]*)`", lambda found: as_text(found[1]), sentence)
    return text or re.sub(r":\w+:|`", "", sentence)


def _peers(name: str) -> Iterator[str]:
    namespace, _, last = name.rpartition(".")
    if namespace != "interop.torch":
        yield from (m.__name__ for m in (optax, optax.contrib) if last in vars(m))
    if last.replace("_", "") in map(str.lower, TORCH):
        yield "torch"


ABOUT = f"""\
Bytes are of state for each parameter of one {SIDE}×{SIDE} float32 matrix, a wrapper's without
those of what it wraps. An elementwise transformation works on each number by itself; one
with a metric says what its step divides by, which a proximal map needs."""


def markdown() -> str:
    """The table as Markdown, a section for each kind."""
    entries = catalogue()
    out = [
        "# Catalogue",
        f"{ABOUT}\n\nMade from the code by `python -m regopt_jax list --markdown`.",
    ]
    for kind in KINDS:
        heads, rows = table(kind, entries)
        lines = [f"| {' | '.join(row)} |" for row in (heads, *map(_escaped, rows))]
        lines.insert(1, f"|{'|'.join('---:' if h in RIGHT else '---' for h in heads)}|")
        out += [f"## {kind.capitalize()}", "\n".join(lines)]
    return "\n\n".join(out) + "\n"


def _escaped(row: tuple[str, ...]) -> tuple[str, ...]:
    name, text, *rest = (cell.replace("|", "\\|") for cell in row)
    return (f"`{name}`", f"`{text}`", *rest)
