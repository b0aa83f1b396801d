"""What is used of JAX and Optax is public, but for what is listed here."""

import ast
import importlib
import sys
from pathlib import Path

import pytest

import regopt_jax as ro

PACKAGE = Path(ro.__file__).parent
OTHERS = {"jax", "jaxlib", "jnp", "optax"}
KNOWN = {
    "optax._src.linesearch.BacktrackingLinesearchInfo",
    "optax._src.linesearch.FLAG_CURVATURE_COND_NOT_SATISFIED",
    "optax._src.linesearch.FLAG_INTERVAL_NOT_FOUND",
    "optax._src.linesearch.FLAG_INTERVAL_TOO_SMALL",
    "optax._src.linesearch.FLAG_NOT_A_DESCENT_DIRECTION",
    "optax._src.linesearch.FLAG_NO_STEPSIZE_FOUND",
    "optax._src.transform.ScaleByDistanceOverGradientsState",
    "optax._src.transform.ScaleByOptimisticGradientState",
    "optax._src.transform.ScaleByRStdDevWithCountState",
    "optax._src.transform.ScaleByRmsWithCountState",
    "optax.contrib._complex_valued.SplitRealAndImaginaryArrays",
    "optax.schedules._inject.WrappedScheduleState",
    "optax.transforms._adding.WeightDecaySchedule",
}


def dotted(node):
    """``a.b.c`` of names and attributes; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    inside = dotted(node.value) if isinstance(node, ast.Attribute) else ""
    return f"{inside}.{node.attr}" if inside else ""


def names_in(text):
    """All names that a file takes from elsewhere, dotted."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield dotted(node)


def private(name):
    root, *inside = name.split(".")
    hidden = [x for x in inside if x.startswith("_") and not x.endswith("__")]
    return root in OTHERS and (bool(hidden) or "interpreters" in inside)


def private_names(text):
    return set(filter(private, names_in(text)))


def test_the_package_uses_no_other_private_name():
    found = {}
    for path in PACKAGE.rglob("*.py"):
        for name in private_names(path.read_text()):
            found.setdefault(name, []).append(path.relative_to(PACKAGE).as_posix())
    assert set(found) == KNOWN, found
    assert {path for paths in found.values() for path in paths} == {"_core/optax_states.py"}


@pytest.mark.parametrize(
    "text",
    [
        "from jax._src import core",
        "import jax._src.core",
        "from jax.interpreters import mlir",
        "import jax\njax.interpreters.xla",
        "import jax\njax._src.config.update",
        "import jax.numpy as jnp\njnp._foo(1)",
        "from optax.transforms import _adding",
        "def f(tx: optax._src.base.Params): ...",
    ],
)
def test_a_private_name_is_found(text):
    assert private_names(text)
    assert not private_names("import jax\nfrom optax import chain\njax.__version__, x._replace()")


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_each_is_where_it_was(name):
    module, _, attribute = name.rpartition(".")
    try:
        there = hasattr(importlib.import_module(module), attribute)
    except ImportError:
        there = False
    assert there, f"Optax has moved {name}: find it, and change _core/optax_states.py."


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_one_that_has_moved_is_told_in_words(name, monkeypatch):
    module, _, attribute = name.rpartition(".")
    monkeypatch.delattr(importlib.import_module(module), attribute)
    states = "regopt_jax._core.optax_states"
    monkeypatch.delitem(sys.modules, states)
    with pytest.raises(ImportError, match=f"optax .* has moved: .*{attribute}"):
        importlib.import_module(states)
