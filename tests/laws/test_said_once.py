"""Law 8: what made a transformation is all there is to say of it."""

import copy
import inspect
import pickle
import re

import cloudpickle
import jax
import pytest

import regopt_jax as ro
from regopt_jax.interop import torch as ro_torch
from tests.cases import CASES
from tests.laws import runs
from tests.laws.compare import same_bits, text
from tests.laws.rows import makers, rows
from tests.laws.runs import FLOAT64


def program(case, tx):
    """What ``init`` and ``update`` compute, as text and constants: the same for the same updates.

    Where it is alike no step can differ, so none needs to be compiled.
    """
    tx, params = case.given(case.around(tx)), runs.shapes(case, FLOAT64)
    with runs.session(FLOAT64, case.theirs_inside):
        traced = jax.make_jaxpr(tx.init)(params)
        step = jax.make_jaxpr(tx.update)(params, jax.eval_shape(tx.init, params), params)
    texts = [text(one) for one in (traced, step)]
    return texts, [one.consts for one in (traced, step)]


def same_program(case, one, other):
    (texts, consts), (others, other_consts) = program(case, one), program(case, other)
    assert texts == others
    same_bits(consts, other_consts)


@rows
def test_equal_calls_make_equal_transformations(case):
    tx, twin = case.make(), case.make()
    assert tx == twin
    assert hash(tx) == hash(twin)
    again = tx.made.again()
    assert again == tx
    assert (again.name, again.hyperparams, repr(again)) == (tx.name, tx.hyperparams, repr(tx))
    same_program(case, again, tx)


@rows
def test_every_argument_is_in_what_made_it(case):
    tx = case.make()
    assert tx.made.arguments.keys() >= set(case.make.keywords)
    if case.make.func in makers():
        assert list(tx.made.arguments) == list(inspect.signature(case.make.func).parameters)
        # One that is built by an edited call, or returns another's, has the other's too.
        assert set(tx.hyperparams) <= set(tx.made.arguments) | set(tx.built.arguments)


@pytest.mark.parametrize("make", [ro.scale_by_muon, ro_torch.muon])
def test_so_it_is_in_those_whose_rows_are_masks(make):
    assert list(make().made.arguments) == list(inspect.signature(make).parameters)


@rows
def test_it_describes_itself(case):
    tx, params = case.ours(), runs.shapes(case, FLOAT64)
    assert repr(case.make()).startswith(f"{tx.made.name}(")
    with runs.session(FLOAT64, case.theirs_inside):
        state = jax.eval_shape(tx.init, params)
        described = ro.describe(tx, params)
        concrete = tx.init(runs.data(case, FLOAT64)[0])
        found = [ro.hyperparams(tx, x) for x in (state, concrete)]
        assert str(ro.describe(tx, runs.data(case, FLOAT64)[0])) == str(described)
    assert tx.name in str(ro.describe(tx))
    assert tx.name in str(described)
    assert list(found[0]) == list(found[1])


@rows
def test_it_is_pickled_as_the_call(case):
    """By pickle where its parts can be, by cloudpickle always."""
    tx = case.make()
    there = cloudpickle.loads(cloudpickle.dumps(tx))
    assert there.made.name == tx.made.name
    if there != tx:  # a function of one's own comes back as another one
        same_program(case, there, tx)
    try:
        text = pickle.dumps(tx)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        assert re.search("local|lambda|not the same object", str(error))  # noqa: PT017
    else:
        assert pickle.loads(text) == tx


@rows
def test_it_is_written_as_json_or_says_which_argument_cannot_be(case):
    tx = case.make()
    try:
        text = ro.to_json(tx)
    except TypeError as error:
        named = re.match(rf"to_json: {re.escape(tx.name)}((\.\w+|\[[^]]+\])*) is ", str(error))
        assert named, error  # noqa: PT017
        first = re.match(r"\.?(\w*)", named[1])[1]
        assert first in ("", "inner_factory") or first in tx.made.arguments
    else:
        there = ro.from_json(text)
        assert there == tx
        assert ro.to_json(there) == text


def test_most_rows_can_be_written():
    def written(case):
        try:
            return bool(ro.to_json(case.make()))
        except TypeError:
            return False

    assert sum(map(written, CASES)) > len(CASES) / 2


@rows
def test_copies_are_the_same_and_a_changed_one_knows_that_it_is(case):
    tx = case.make()
    for twin in (copy.copy(tx), copy.deepcopy(tx), tx._replace(), copy.copy([tx])[0]):
        assert twin == tx
        assert twin.made == tx.made
    for changed in (tx._replace(update=tx.update), type(tx)._make(tx)):
        assert isinstance(changed, ro.GradientTransformation)
        assert tuple(changed) == tuple(tx)
        assert changed != tx
        assert changed.made.function is None
        assert repr(changed)
