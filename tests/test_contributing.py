"""What CONTRIBUTING.md and the notebook on writing one's own add, every law accepts."""

import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from tests import guides
from tests.guides import GUIDES

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git applies the diffs")


@pytest.fixture(params=GUIDES)
def name(request):
    if (guides.ROOT / GUIDES[request.param].module).exists():
        pytest.skip("the page has been followed here")
    return request.param


def test_the_diff_still_applies(name):
    """If not: ``python -m tests.guides``."""
    done = guides.git(guides.ROOT, "apply", "--check", "-", given=GUIDES[name].diff())
    assert done.returncode == 0, done.stderr


def test_a_diff_is_written_again_where_its_files_have_moved(name, tmp_path):
    """Without counts and with wrong line numbers it becomes what git takes."""
    folder, diff = tmp_path / "moved", GUIDES[name].diff()
    for path in re.findall(r"^--- a/(.*)", diff, re.MULTILINE):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("# moved\n" * 40 + (guides.ROOT / path).read_text())
    before = re.sub(r"^@@ .*@@$", "@@ -1 +1 @@", diff, flags=re.MULTILINE)
    assert guides.git(folder, "apply", "--check", "-", given=before).returncode != 0
    after = guides.refreshed(before, folder)
    undone = guides.git(folder, "apply", "--check", "--reverse", "--verbose", "-", given=after)
    assert undone.returncode == 0, undone.stderr
    assert "offset" not in undone.stderr
    assert re.sub(r"@@ .*", "", after) == re.sub(r"@@ .*", "", diff)


LAWS = ("tests/laws", "tests/regularizers")


def test_a_wrapper_with_a_state_costs_little():
    """Below its imports, docstring and all."""
    added = re.findall(r"^\+(?!\+)(.*)", GUIDES["skip_spikes"].diff(), re.MULTILINE)
    module = added[: next(i for i, line in enumerate(added) if "skip_spikes as skip" in line)]
    start = next(i for i, line in enumerate(module) if line.startswith("class "))
    assert len(module) - start <= 45


def run(command, folder):
    """A command in a folder whose package and Python are found first."""
    python = pathlib.Path(sys.executable).parent
    env = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PATH": f"{python}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


@pytest.mark.slow
def test_it_passes_every_law(name, tmp_path):
    folder, guide = guides.copy(tmp_path / "copy"), GUIDES[name]
    done = guides.follow(guide, folder)
    assert done.returncode == 0, done.stderr
    if importlib.util.find_spec("ruff"):
        run(["python", "-m", "ruff", "check", "."], folder)
        run(["python", "-m", "ruff", "format", "--check", "."], folder)
    laws = ["python", "-m", "pytest", "-p", "no:cacheprovider", "-k", name, *LAWS]
    printed = run([*laws, guide.module], folder)
    assert int(re.search(r"(\d+) passed", printed)[1]) > 15


@pytest.mark.slow
def test_the_page_followed_to_the_letter_ends_green(tmp_path):
    """Its own commands, which apply all its diffs, then every test that asks what there is."""
    found = [guide for guide in GUIDES.values() if guide.page == "CONTRIBUTING.md"]
    if any((guides.ROOT / guide.module).exists() for guide in found):
        pytest.skip("the page has been followed here")
    folder = guides.copy(tmp_path / "copy")
    (page,) = found[0].cells()
    (commands,) = re.findall(r"^```sh\n(git apply .*?)^```$", page, re.DOTALL | re.MULTILINE)
    printed = run(["bash", "-ec", commands], folder)
    assert int(re.search(r"(\d+) passed", printed)[1]) > 60
    assert all((folder / guide.module).exists() for guide in found)
    listed = (folder / "docs/catalogue.md").read_text()
    assert all(f"`{pathlib.Path(guide.module).stem}" in listed for guide in found)
    about = [f"tests/{test}" for test in ("inspect/test_catalogue.py", "test_*.py")]
    run(["bash", "-ec", f"python -m pytest -p no:cacheprovider {' '.join(about)}"], folder)


def test_the_commands_of_the_first_contribution_find_their_tests():
    """The page's first two; the third asks all of the suite."""
    page = (guides.ROOT / "docs/first_contribution.md").read_text()
    (block,) = re.findall(r"^```sh\n(python -m pytest.*?)^```$", page, re.DOTALL | re.MULTILINE)
    one, several, _ = block.splitlines()
    found = [run(["bash", "-ec", f"{c} --collect-only"], guides.ROOT) for c in (one, several)]
    assert "\n1 test collected" in found[0]
    assert int(re.search(r"^(\d+)/\d+ tests collected", found[1], re.MULTILINE)[1]) > 1
