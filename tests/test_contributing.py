"""What CONTRIBUTING.md and the notebook on writing one's own add, every law accepts."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent


def notebook():
    cells = json.loads((ROOT / "notebooks/06_write_your_own.ipynb").read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells]


def module_of_the_notebook():
    (module,) = [source for source in notebook() if source.startswith("from typing import")]
    return f'"""AdaMod."""\n\n{module}\n'


GUIDES = {
    "power_sign": ((ROOT / "CONTRIBUTING.md").read_text, "regopt_jax/optimizers/power_sign.py"),
    "adamod": (lambda: "\n".join(notebook()), "regopt_jax/transforms/adamod.py"),
}
guides = pytest.mark.parametrize("name", GUIDES)


def hunks(text):
    """For each file of the diff: the lines it hangs on and the lines it adds."""
    (diff,) = re.findall(r"```diff\n(.*?)```", text, re.DOTALL)
    for part in re.split(r"^--- .*\n", diff, flags=re.MULTILINE)[1:]:
        header, _, *lines = part.splitlines()
        context = [line[1:] for line in lines if line.startswith(" ")]
        added = [line[1:] for line in lines if line.startswith("+")]
        assert len(context) + len(added) == len(lines)
        yield header.removeprefix("+++ b/"), "\n".join(context), "\n".join(added)


@guides
def test_the_diff_still_applies(name):
    read, module = GUIDES[name]
    for path, context, _ in hunks(read()):
        if context:
            assert (ROOT / path).read_text().count(f"{context}\n") == 1, path
        else:
            assert not (ROOT / path).exists()
    assert not (ROOT / module).exists()


@pytest.mark.slow
@guides
def test_it_passes_every_law(name, tmp_path):
    read, module = GUIDES[name]
    for copied in ("regopt_jax", "tests", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / copied).is_dir() else shutil.copy
        copy(ROOT / copied, tmp_path / copied)
    if name == "adamod":
        (tmp_path / module).write_text(module_of_the_notebook())
    for path, context, added in hunks(read()):
        target = tmp_path / path
        old = target.read_text() if context else ""
        new = old.replace(f"{context}\n", f"{context}\n{added}\n", 1) if context else f"{added}\n"
        target.write_text(new)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", name),
            *("tests/laws", module),
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
