"""Sphinx: pages by hand, one API page a package from the docstrings, the notebooks as they are."""

import inspect
import os
import re
import shutil
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from sphinx.application import Sphinx

import regopt_jax
from regopt_jax.interop import torch as interop_torch

project = "regopt_jax"
author = "the regopt_jax authors"
release = regopt_jax.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon", "myst_nb"]
html_theme = "furo"
html_title = "regopt_jax"
exclude_patterns = ["_build", "jupyter_execute"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"
autodoc_typehints = "none"
napoleon_use_ivar = True
napoleon_use_rtype = False
add_module_names = False
suppress_warnings = ["mystnb.unknown_mime_type"]

HERE = Path(__file__).parent
PROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"]
OWNER, NAME = ADDRESS.split("/")[-2:]
html_theme_options = {
    "footer_icons": [{"name": "Repository", "url": ADDRESS, "html": "Source", "class": ""}]
}
if "DOCS_VERSION" in os.environ:  # one of several: .ci/site.py
    other = f'<a href="https://{OWNER}.github.io/{NAME}/versions.html">Other versions</a>'
    html_theme_options["announcement"] = f"{os.environ['DOCS_VERSION']}. {other}"
TITLES = {
    "combine": "Chains, masks and partitions",
    "inspect": "Looking inside",
    "optimizers": "Optimisers",
    "regularizers": "Regularisers",
    "schedules": "Schedules",
    "solvers": "Convex solvers",
    "training": "Training steps",
    "transforms": "Transformations",
    "wrappers": "Wrappers",
}
WITHIN = {
    "../CONTRIBUTING.md": f"{ADDRESS}/blob/main/CONTRIBUTING.md",
    "../README.md#install": "#install",
    "../README.md#where-we-differ-from-optax": "#differences",
    "../regopt_jax/_core/README.md": f"{ADDRESS}/blob/main/regopt_jax/_core/README.md",
    "../regopt_jax/regularizers/README.md": "regularizers.md",
    "../notebooks": "notebooks/index.rst",
}


def own_names(module: ModuleType) -> dict[str, list[str]]:
    """What a module exports of the package's own, by the subpackage that defines it."""
    found = defaultdict(list)
    for name, value in sorted(vars(module).items()):
        package, _, inside = getattr(value, "__module__", "").partition(".")
        if package == "regopt_jax" and not name.startswith("_") and not inspect.ismodule(value):
            found[inside.split(".")[0]].append(name)
    return found


def page(title: str, module: ModuleType, names: Iterable[str]) -> str:
    """The docstrings of some of a module's names."""
    lines = [title, "=" * len(title), ""]
    for name in names:
        value = getattr(module, name)
        kind = "class" if inspect.isclass(value) else "function" if callable(value) else "data"
        lines += [f".. auto{kind}:: {module.__name__}.{name}"]
        lines += ["   :members:"] if kind == "class" else []
        lines += [""]
    return "\n".join(lines)


def write_api(folder: Path) -> None:
    """One page a subpackage; what the private modules define goes to the core's page."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    names = own_names(regopt_jax)
    pages = {package: page(title, regopt_jax, names[package]) for package, title in TITLES.items()}
    core = sorted(name for package in names if package not in TITLES for name in names[package])
    pages["core"] = page("The core", regopt_jax, core)
    pages["torch"] = page("PyTorch", interop_torch, own_names(interop_torch)["interop"])
    for package, text in pages.items():
        (folder / f"{package}.rst").write_text(text)
    toc = "\n".join(f"   {package}" for package in pages)
    (folder / "index.rst").write_text(f"API\n===\n\n.. toctree::\n\n{toc}\n")


def copy_notebooks(folder: Path) -> None:
    """The notebooks, with the outputs they were committed with, and a page that lists them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    found = sorted((HERE.parent / "notebooks").glob("*.ipynb"))
    for path in found:
        shutil.copy(path, folder)
    toc = "\n".join(f"   {path.stem}" for path in found)
    (folder / "index.rst").write_text(f"Notebooks\n=========\n\n.. toctree::\n\n{toc}\n")


def read_page(app: Sphinx, name: str, source: list[str]) -> None:
    """A page that reads on GitHub as a plain file, as the site has it.

    What only Sphinx reads stands in comments there, and links out of this folder lead to
    what the site has of it.
    """
    text = re.sub(r"<!-- Sphinx\n(.*?)-->", r"\1", source[0], flags=re.DOTALL)
    for outside, inside in WITHIN.items():
        text = text.replace(f"]({outside})", f"]({inside})")
    source[0] = text


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", read_page)


write_api(HERE / "api")
copy_notebooks(HERE / "notebooks")
shutil.copy(HERE.parent / "regopt_jax/regularizers/README.md", HERE / "regularizers.md")
