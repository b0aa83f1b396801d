"""Libraries that use Optax, with our face in its place before they import it: the same numbers.

Each program runs in two processes of its own.
"""

import importlib.util
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

PROGRAMS = sorted(
    path.stem
    for path in (pathlib.Path(__file__).parent / "programs").glob("*.py")
    if path.stem not in ("__init__", "linear")
)
MODULES = {"flax_linen": "flax", "flax_nnx": "flax", "haiku": "haiku", "orbax": "orbax.checkpoint"}


def started(program, *flags):
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.compat.run", program, *flags],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]
    return json.loads(out.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_library_does_the_same_with_our_face(program):
    if importlib.util.find_spec(MODULES.get(program, program).partition(".")[0]) is None:
        pytest.skip(f"{program} is not installed; pip install 'regopt-jax[compat]'")
    theirs, ours = map(ended, [started(program), started(program, "--face")])
    assert (theirs["used"], ours["used"]) == ("optax", "regopt_jax.optax")
    assert list(ours["leaves"]) == list(theirs["leaves"])
    for name, expected in theirs["leaves"].items():
        # The same formulas, compiled otherwise: a rounding a step, which a hundred steps carry on.
        np.testing.assert_allclose(
            ours["leaves"][name], expected, rtol=2e-4, atol=2e-5, err_msg=name
        )
