"""One address, and how the package is had by it: README, notebooks, package page, workflows."""

import importlib.util
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cells(path):
    return ["".join(c["source"]) for c in json.loads(path.read_text(encoding="utf-8"))["cells"]]


def colab(path):
    owner = ADDRESS.removeprefix("https://github.com/")
    return f"https://colab.research.google.com/github/{owner}/blob/main/notebooks/{path.name}"


# --- the address -----------------------------------------------------------------------------


def test_every_file_shows_the_address():
    """If not: ``python .ci/address.py``."""
    assert f"pip install git+{ADDRESS}\n" in README
    assert f"\nrepository-code: {ADDRESS}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"{ADDRESS}/security" in (ROOT / ".github/ISSUE_TEMPLATE/config.yml").read_text()
    for path in NOTEBOOKS:
        intro, first, *_ = cells(path)
        assert f"[Open in Colab]({colab(path)})" in intro
        assert f"git+{ADDRESS}'" in first
        assert f"[Colab]({colab(path)})" in README


def test_another_address_is_written_everywhere(tmp_path):
    for name in ("README.md", "CITATION.cff", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("notebooks", ".github"):
        shutil.copytree(ROOT / name, tmp_path / name)
    address = load(ROOT / ".ci/address.py")
    assert address.write(tmp_path) == []
    project = tmp_path / "pyproject.toml"
    before = ADDRESS.removeprefix("https://github.com/")
    project.write_text(project.read_text().replace(before, "someone/of-another.name"))
    changed = address.write(tmp_path)
    assert {"README.md", "CITATION.cff", f"notebooks/{NOTEBOOKS[0].name}"} <= set(changed)
    texts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(before in text for text in texts)
    assert address.write(tmp_path) == []
    project.write_text(project.read_text().replace("https://github.com/", "https://example.org/"))
    with pytest.raises(SystemExit, match=r"expected https://github.com/OWNER/NAME"):
        address.write(tmp_path)


def test_ci_finds_the_two_commands_of_the_readme():
    for word, extra in (("regopt_jax train", "[demo]"), ("-m pytest", "[test]")):
        line = next(line for line in README.splitlines() if word in line)
        assert line.startswith(f"python3 -m venv .venv && .venv/bin/pip install -q '.{extra}' && ")


# --- the package -----------------------------------------------------------------------------


def test_the_core_is_three_dependencies():
    names = [re.match(r"[\w-]+", requirement)[0] for requirement in PROJECT["dependencies"]]
    assert names == ["jax", "jaxlib", "optax"]


def test_the_pythons_of_the_classifiers_are_those_that_a_release_is_tested_on():
    stated = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    release = (ROOT / ".github/workflows/release.yml").read_text()
    assert json.loads(re.search(r"^ *python: (\[.*\])$", release, re.MULTILINE)[1]) == stated
    assert PROJECT["requires-python"] == f">={stated[0]}"


def test_the_package_page_has_absolute_links_only():
    pytest.importorskip("hatchling", reason="it builds the package")
    page = load(ROOT / "hatch_build.py").absolute(README, ADDRESS, "1.2.3")
    links = re.findall(r"(!?)\[[^\]]*\]\(([^)]+)\)", page)
    assert len(links) > 20
    for image, link in links:
        assert link.startswith(("https://", "#"))
        if link.startswith(f"{ADDRESS}/"):
            kind, tag, path = link.removeprefix(f"{ADDRESS}/").split("/", 2)
            assert (kind, tag) == ("raw" if image else "blob", "v1.2.3")
            assert (ROOT / path.split("#")[0]).is_file()
    blocks = re.compile(r"```.*?```", re.DOTALL)
    assert blocks.findall(page) == blocks.findall(README)


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def build(source, kind, folder):
    """What Hatchling makes of a folder, unpacked."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (made,) = folder.iterdir()
    if kind == "wheel":
        shutil.unpack_archive(made, folder, "zip")
    else:
        shutil.unpack_archive(made, folder, "gztar", filter="data")
    made.unlink()
    return folder if kind == "wheel" else next(folder.iterdir())


def test_wheel_and_sdist_hold_what_they_should(tmp_path):
    """The package; all of the repository, from which the same wheel is built again."""
    pytest.importorskip("hatchling", reason="it builds the package")
    if not (ROOT / ".git").exists():
        pytest.skip("git tells what the repository holds")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    ours = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    wheel = build(ROOT, "wheel", tmp_path / "wheel")
    sdist = build(ROOT, "sdist", tmp_path / "sdist")
    again = build(sdist, "wheel", tmp_path / "again")
    package = {name for name in ours if name.startswith("regopt_jax/")}
    assert {name for name in files(wheel) if not name.startswith("regopt_jax-")} == package
    assert files(sdist) == ours | {"PKG-INFO"}
    assert files(again) == files(wheel)
    (metadata,) = wheel.glob("*.dist-info/METADATA")
    (metadata_again,) = again.glob("*.dist-info/METADATA")
    assert metadata.read_text() == metadata_again.read_text() == (sdist / "PKG-INFO").read_text()
    assert f"({ADDRESS}/raw/v" in metadata.read_text()


# --- the notebooks' first cell ---------------------------------------------------------------


def test_every_notebook_begins_alike():
    first = {cells(path)[1] for path in NOTEBOOKS}
    assert len(NOTEBOOKS) > 7
    assert len(first) == 1


@pytest.fixture
def pip(monkeypatch, tmp_path):
    """Runs the first cell beside a folder's files; gives what pip was asked for."""

    def run(installed=False, code=0, at=tmp_path):
        asked = []

        def answer(command, **_):
            asked.append(command)
            return subprocess.CompletedProcess(command, code)

        monkeypatch.chdir(at)
        monkeypatch.setattr(subprocess, "run", answer)
        if not installed:
            monkeypatch.setitem(sys.modules, "regopt_jax", None)  # importing it raises ImportError
        exec(compile(cells(NOTEBOOKS[0])[1], "cell", "exec"), {})
        return [command[1:] for command in asked]

    return run


INSTALL = ["-m", "pip", "install", "-q"]


def test_a_notebook_takes_the_package_that_is_installed(pip):
    assert pip(installed=True) == []


def test_a_notebook_takes_the_release(pip, tmp_path):
    (tmp_path / "pyproject.toml").touch()  # of another project
    assert pip() == [[*INSTALL, "regopt-jax[notebooks]"]]


def test_a_notebook_takes_the_checkout_that_it_is_in(pip, tmp_path):
    for name in ("pyproject.toml", "regopt_jax/py.typed", "notebooks/one.ipynb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert (ROOT / "regopt_jax/py.typed").exists()
    assert pip(at=tmp_path / "notebooks") == [[*INSTALL, f"{tmp_path}[notebooks]"]]


def test_a_notebook_takes_the_wheel_beside_it(pip, tmp_path):
    wheel = tmp_path / "regopt_jax-0.1.0-py3-none-any.whl"
    for name in (wheel.name, "pyproject.toml", "regopt_jax/py.typed"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert pip() == [[*INSTALL, f"{wheel}[notebooks]"]]


def test_where_none_is_to_be_had_a_notebook_says_what_to_do_in_one_line(pip):
    with pytest.raises(ImportError, match=r"put regopt_jax-.*whl beside this notebook") as caught:
        pip(code=1)
    (line,) = caught.value._render_traceback_()
    assert line == str(caught.value)
    assert "\n" not in line
    assert f"%pip install 'regopt-jax[notebooks] @ git+{ADDRESS}'" in line
