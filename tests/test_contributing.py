"""The diff in CONTRIBUTING.md adds an optimiser that every law accepts."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent


def hunks():
    """For each file of the diff: the lines it hangs on and the lines it adds."""
    (diff,) = re.findall(r"```diff\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    for part in re.split(r"^--- .*\n", diff, flags=re.MULTILINE)[1:]:
        header, _, *lines = part.splitlines()
        context = [line[1:] for line in lines if line.startswith(" ")]
        added = [line[1:] for line in lines if line.startswith("+")]
        assert len(context) + len(added) == len(lines)
        yield header.removeprefix("+++ b/"), "\n".join(context), "\n".join(added)


def test_the_diff_still_applies():
    for path, context, _ in hunks():
        if context:
            assert (ROOT / path).read_text().count(f"{context}\n") == 1, path
        else:
            assert not (ROOT / path).exists()


@pytest.mark.slow
def test_it_passes_every_law(tmp_path):
    for name in ("regopt_jax", "tests", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    for path, context, added in hunks():
        target = tmp_path / path
        old = target.read_text() if context else ""
        new = old.replace(f"{context}\n", f"{context}\n{added}\n", 1) if context else f"{added}\n"
        target.write_text(new)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "power_sign"),
            *("tests/laws", "regopt_jax/optimizers/power_sign.py"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 20
