"""Every name of Optax, in every form of import, with its signature and its defaults."""

import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys
import textwrap

import optax
import pytest

from regopt_jax import optax as face
from regopt_jax.optax._mirror import original
from regopt_jax.optax._substitutes import substitutes

MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(optax.__path__, "optax.")
    if not found.name.endswith("_test")
)
FACTORIES = sorted(
    (f for f in substitutes().values() if hasattr(f, "__name__")), key=lambda f: f.__name__
)


def mirrored(name):
    return importlib.import_module(name.replace("optax", "regopt_jax.optax", 1))


@pytest.mark.parametrize("name", ["optax", *MODULES])
def test_a_module_has_the_names_of_optaxs(name):
    theirs, ours = original(name), mirrored(name)
    public = [key for key in vars(theirs) if not key.startswith("__")]
    assert [key for key in public if not hasattr(ours, key)] == []
    assert getattr(ours, "__all__", None) == getattr(theirs, "__all__", None)
    assert ours.__doc__ == theirs.__doc__ or ours is face


@pytest.mark.parametrize("name", ["optax", *MODULES])
def test_signatures_and_defaults_are_optaxs(name):
    theirs, ours = original(name), mirrored(name)
    for key, value in vars(theirs).items():
        if not callable(value) or key.startswith("_"):
            continue
        mine = getattr(ours, key)
        assert getattr(mine, "__name__", None) == getattr(value, "__name__", None)
        try:
            signature = inspect.signature(value)
        except (TypeError, ValueError):
            continue
        assert inspect.signature(mine) == signature, key


def test_a_version_is_that_of_the_optax_it_stands_for():
    assert face.__version__ == optax.__version__


IMPORTS = """
import optax.losses
import optax.contrib as contrib
from optax import adam, tree_utils
from optax.tree_utils import tree_get
from optax._src import base, transform, combine, wrappers, numerics, utils, linear_algebra, alias
from optax.transforms import chain
from optax.schedules import inject_hyperparams
import optax.second_order, optax.assignment, optax.microbatching, optax.perturbations
import optax.projections, optax.experimental
from optax.experimental import aggregating
from optax import *
"""
CHECKS = """
assert optax.adam is adam and alias.adam is adam
assert optax.chain is chain is combine.chain
assert optax.losses.l2_loss is optax.l2_loss
assert contrib.muon is optax.contrib.muon
assert tree_get is optax.tree_utils.tree_get
assert base.GradientTransformation is optax.GradientTransformation
made = optax.adam(1e-3)
assert type(made).__module__.startswith("regopt_jax"), type(made)
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("before", [False, True], ids=["first", "after Optax"])
def test_every_form_of_import(before):
    """Of the face by its own name, and standing in for a library that says ``import optax``."""
    renamed = IMPORTS.replace("optax", "regopt_jax.optax")
    run(("import optax\n" if before else "") + renamed + "from regopt_jax import optax\n" + CHECKS)
    stand_in = """
        import sys
        import regopt_jax.optax
        sys.modules["optax"] = regopt_jax.optax
        import optax
    """
    run(("import optax.contrib\n" if before else "") + textwrap.dedent(stand_in) + IMPORTS + CHECKS)


def test_optax_itself_is_left_as_it_was():
    run(
        "import regopt_jax.optax, optax, optax.contrib, optax._src.alias as alias\n"
        "assert optax.adam.__module__ == 'optax._src.alias'\n"
        "assert alias.adam is optax.adam\n"
        "assert optax.contrib.muon.__module__ == 'optax.contrib._muon'\n"
        "assert not type(optax.adam(1.0)).__module__.startswith('regopt_jax')\n"
    )


def test_a_deprecated_name_gives_ours():
    with pytest.warns(DeprecationWarning, match="use optax.contrib.dpsgd"):
        assert face.dpsgd is face.contrib.dpsgd


def test_a_name_that_optax_lacks_is_missed_as_there():
    with pytest.raises(AttributeError, match="no attribute 'adamm'"):
        face.adamm  # noqa: B018
    with pytest.raises(ImportError):
        importlib.import_module("regopt_jax.optax.no_such_module")


@pytest.mark.parametrize("function", FACTORIES, ids=lambda f: f.__name__)
def test_functions_are_pickled_by_their_names(function):
    assert pickle.loads(pickle.dumps(function)) is function


def test_what_is_made_is_pickled_as_the_faces():
    made = face.chain(face.clip(1.0), face.rmsprop(0.1))
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert repr(made).startswith("chain(clip(max_delta=1")
    assert made.parts[1].hyperparams["decay"] == 0.9
