"""What type checkers see: the functions under ``@transformation`` keep their signatures."""

import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PROBE = """\
import regopt_jax as ro

tx = ro.adamw(1e-3)
reveal_type(ro.adamw)
reveal_type(tx)
reveal_type(ro.chain(tx, ro.sgd(0.1)))
reveal_type(ro.masked(tx, ro.select("**/kernel")))
reveal_type(ro.accumulate(tx, 4))
reveal_type(ro.proximal(tx, ro.l1(1e-4)))
reveal_type(ro.l1(1e-4))
ro.adamw(1e-3, b3=0.5)
ro.adamw()
ro.no_such_name
"""


def mypy(folder):
    """Line, whether it is an error, and what is said, for each thing that it says."""
    if not importlib.util.find_spec("mypy"):
        pytest.skip("mypy is not installed: the extra `dev` has it")
    cache = ["--cache-dir", str(ROOT / ".mypy_cache")]
    said = run(folder, "mypy", "--strict", "--follow-imports=silent", *cache, "probe.py")
    found = re.findall(r"^probe\.py:(\d+): (note|error): (.*)", said, re.MULTILINE)
    return [(int(line), kind == "error", text) for line, kind, text in found]


def pyright(folder):
    """As :func:`mypy`."""
    if not importlib.util.find_spec("basedpyright"):
        pytest.skip("basedpyright is not installed: the extra `dev` has it")
    config = {"extraPaths": [str(ROOT)], "typeCheckingMode": "strict"}
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    python = ["--pythonpath", sys.executable]
    said = json.loads(run(folder, "basedpyright", "--outputjson", *python, "probe.py"))
    return [
        (x["range"]["start"]["line"] + 1, x["severity"] == "error", x["message"])
        for x in said["generalDiagnostics"]
    ]


def run(folder, *command):
    env = {**os.environ, "MYPYPATH": str(ROOT)}
    command = [sys.executable, "-m", *command]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True).stdout


@pytest.fixture(scope="module", params=[mypy, pyright], ids=lambda checker: checker.__name__)
def said(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("types")
    (folder / "probe.py").write_text(PROBE)
    return request.param(folder)


def of(said, code, error=False):
    """What is said of a line of the probe."""
    line = PROBE.splitlines().index(code) + 1
    return "\n".join(text for at, wrong, text in said if at == line and wrong == error)


def test_an_optimiser_has_its_signature(said):
    text = of(said, "reveal_type(ro.adamw)")
    names = ("learning_rate", "b1", "b2", "eps", "eps_root", "mu_dtype", "weight_decay", "mask")
    places = [text.find(f"{name}: ") for name in names]
    assert -1 not in places
    assert places == sorted(places)
    assert re.search(r"\*, nesterov: (builtins\.)?bool", text)
    assert re.search(r"-> ([\w.]*\.)?GradientTransformation\W*$", text)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("tx", "GradientTransformation"),
        ("ro.chain(tx, ro.sgd(0.1))", "GradientTransformation"),
        ('ro.masked(tx, ro.select("**/kernel"))', "GradientTransformation"),
        ("ro.accumulate(tx, 4)", "GradientTransformation"),
        ("ro.proximal(tx, ro.l1(1e-4))", "GradientTransformation"),
        ("ro.l1(1e-4)", "Regularizer"),
    ],
)
def test_a_call_has_its_type(said, code, expected):
    assert re.search(rf' is "([\w.]*\.)?{expected}"$', of(said, f"reveal_type({code})"))


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("ro.adamw(1e-3, b3=0.5)", "b3"),
        ("ro.adamw()", "adamw|learning_rate"),
        ("ro.no_such_name", "attribute"),
    ],
)
def test_a_mistake_is_found(said, code, word):
    assert re.search(word, of(said, code, error=True))


def test_nothing_else_is_said(said):
    mistakes = {PROBE.splitlines()[at - 1] for at, wrong, _ in said if wrong}
    assert mistakes == {"ro.adamw(1e-3, b3=0.5)", "ro.adamw()", "ro.no_such_name"}
