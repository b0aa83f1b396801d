"""Where our own face differs from Optax, the README's table has a row that says so."""

import inspect
import pathlib
import re

import optax
import pytest

from regopt_jax.optax._substitutes import SPACES
from tests.cases import CASES
from tests.optax.test_types import DTYPES, tree, types

README = (pathlib.Path(__file__).parents[2] / "README.md").read_text()
SECTION = README.split("## Where we differ from Optax")[1].split("\n## ")[0]
TABLE = re.findall(r"^\|.*\|$", SECTION, re.MULTILINE)[2:]
GENERAL = ("the dtypes of a state", "the dtypes of updates")
STATES = ("[0]", "[2]", "[3][1]")  # in what test_types finds
SHARED = {
    name: (vars(space)[name], function)
    for module, space in SPACES
    for name, function in vars(module).items()
    if inspect.isfunction(function) and vars(space).get(name, function) is not function
}


def rows_of(name):
    """The rows whose first cell names it."""
    return [row for row in TABLE if re.search(rf"`{name}\b", row.split(" | ")[0])]


def other_defaults(ours, theirs):
    """The parameters of both that have defaults of their own, with the two."""
    mine, other = (inspect.signature(f).parameters for f in (ours, theirs))
    for name in [name for name in other if name in mine]:
        pair = mine[name].default, other[name].default
        if all(x is not inspect.Parameter.empty and callable_like(x) for x in pair):
            continue  # the laws compare what they do
        if pair[0] is not pair[1] and pair[0] != pair[1]:
            yield name, *pair


def callable_like(x):
    return callable(x) or isinstance(x, optax.GradientTransformation)


@pytest.mark.parametrize("name", SHARED)
def test_a_default_that_differs_is_in_the_table(name):
    for parameter, *pair in other_defaults(*SHARED[name]):
        said = [repr(x) for x in pair if isinstance(x, float)] or [parameter]
        assert any(all(x in row for x in said) for row in rows_of(name)), (parameter, pair)


@pytest.mark.slow
@pytest.mark.parametrize("grads", DTYPES)
@pytest.mark.parametrize("params", DTYPES)
def test_a_dtype_that_differs_is_in_the_table(params, grads):
    """Of updates, and of states that change their dtypes, all is said in a row for all."""
    assert all(any(row.startswith(f"| {what} |") for row in TABLE) for what in GENERAL)
    untold = {}
    for case in [case for case in CASES if case.optax]:
        try:
            _, theirs = types(case.theirs, tree(params), tree(grads))
        except TypeError:
            continue
        _, ours = types(case.ours, tree(params), tree(grads))
        differing = {
            path: (ours[path], theirs.get(path))
            for path in ours
            if ours[path] != theirs.get(path) and stays(theirs, path)
        }
        if differing and not rows_of(case.public_name):
            untold[case.name] = differing
    assert untold == {}


def stays(found, path):
    """Whether it is a type in a state, and one that stays as it is from the beginning on."""
    place = next((path.removeprefix(start) for start in STATES if path.startswith(start)), None)
    return place is not None and len({found.get(start + place) for start in STATES}) == 1
