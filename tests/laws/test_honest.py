"""Law 6: bad input is refused by name, and good input of any kind is taken."""

import contextlib
import inspect
import re
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro
from regopt_jax.interop import torch as ro_torch
from tests.cases import BUILDING_BLOCKS, CASES, PRINCIPAL
from tests.laws import runs
from tests.laws.runs import Layer, home, ours, same_bits

rows = pytest.mark.parametrize("case", CASES, ids=repr)
building_blocks = pytest.mark.parametrize("case", BUILDING_BLOCKS, ids=repr)
WRONG = [(case, name) for case in CASES for name in case.wrong]


def makers():
    """The public functions that return a transformation."""
    return {
        f
        for module in (ro, ro_torch)
        for f in filter(inspect.isfunction, vars(module).values())
        if typing.get_type_hints(f).get("return") is ro.GradientTransformation
    } - {ro.leafwise}


def test_every_public_transformation_has_a_row():
    in_rows = {inspect.unwrap(case.make.func) for case in CASES}
    missing = makers() - in_rows - {ro.scale_by_muon, ro_torch.muon}  # in masks
    names = sorted(f"{f.__module__}.{f.__name__}" for f in missing)
    assert not missing, f"add a row to tests/cases for {names}"


def test_no_two_rows_have_one_name():
    assert len({case.name for case in CASES}) == len(CASES)


@rows
def test_the_transformation_bears_its_public_name(case):
    if case.public_name in ("regularize", "masked", "add_decayed_weights"):
        pytest.skip("may return a transformation of another name")
    assert case.ours().name == case.public_name


@pytest.mark.parametrize(("case", "name"), WRONG, ids=str)
def test_a_wrong_hyperparameter_is_refused_by_name_and_range(case, name):
    wrong = {name: case.wrong[name]}
    expected = rf"\b{name} must be ((an integer )?in [\[(]|one of)"
    with pytest.raises(ValueError, match=expected) as caught:
        case.make.func(*case.make.args, **case.make.keywords | wrong)
    assert str(case.wrong[name]) in str(caught.value)


COUNTS = {
    "every_k", "k", "sync_period", "patience", "cooldown", "accumulation_size", "ns_steps",
    "precondition_frequency", "max_consecutive_errors",
}  # fmt: skip
COUNTED = [
    (case, name)
    for case in PRINCIPAL
    for name in sorted(COUNTS & set(inspect.signature(case.make.func).parameters))
]


@pytest.mark.parametrize("count", [2.5, 2.0, np.float32(2), jnp.array(2.0), True], ids=repr)
@pytest.mark.parametrize(("case", "name"), COUNTED, ids=str)
def test_a_count_is_an_integer(case, name, count):
    with pytest.raises(ValueError, match=rf"\b{name} must be an integer in \["):
        case.make.func(*case.make.args, **case.make.keywords | {name: count})


@pytest.mark.parametrize("count", [2, np.int64(2), jnp.array(2)], ids=repr)
@pytest.mark.parametrize(("case", "name"), COUNTED, ids=str)
def test_a_count_may_be_an_integer_of_any_kind(case, name, count):
    case.make.func(*case.make.args, **case.make.keywords | {name: count})


PAIRS = [
    (ro_torch.adam, "betas"), (ro_torch.nadam, "betas"), (ro_torch.rprop, "etas"),
    (ro_torch.rprop, "step_sizes"), (ro_torch.adafactor, "eps"), (ro.prodigy, "betas"),
    (ro.dog, "init_step"),
]  # fmt: skip


@pytest.mark.parametrize("value", [0.9, (0.9,), (0.5, 0.9, 1.2), "distance"], ids=repr)
@pytest.mark.parametrize(("make", "name"), PAIRS, ids=lambda x: getattr(x, "__name__", x))
def test_a_pair_has_two_parts(make, name, value):
    with pytest.raises(ValueError, match=rf"{name} must be a pair, got"):
        make(**{name: value})


def tree(dtype=jnp.float32):
    return {
        "dense": Layer(jnp.ones((2, 3), dtype), jnp.ones(3, dtype)),
        "out": (jnp.ones((3, 2), dtype),),
    }


def lacking(full):
    return {"dense": full["dense"]}


def misshapen(full):
    return full | {"dense": full["dense"]._replace(kernel=jnp.ones((3, 3)))}


def holds_arrays(tx, params):
    return any(
        x.shape in {(2, 3), (3, 2)} for x in jax.tree.leaves(jax.eval_shape(tx.init, params))
    )


def traced(function, *args):
    """Errors come with the trace; nothing needs to run."""
    return jax.eval_shape(function, *args)


@rows
@pytest.mark.parametrize(("spoil", "path"), [(lacking, "out/0"), (misshapen, "dense/kernel")])
def test_gradients_that_do_not_match_are_refused_by_path(case, spoil, path):
    """By ``update`` where it has something to compare with, else by ``apply_updates``.

    What is made of parts has the structure of the parameters.
    """
    if case.theirs_inside:
        pytest.skip("Optax's part finds out first, in its own words")
    tx, params = case.ours(), tree()

    def update(params):
        return tx.update(spoil(params), tx.init(params), params)[0]

    with pytest.raises(ValueError, match=re.escape(path)):
        traced(lambda params: ro.apply_updates(params, update(params)), params)
    in_parts = spoil is lacking and tx.parts
    if in_parts or case.needs_params or (case.leaves_alike and holds_arrays(tx, params)):
        with pytest.raises(ValueError, match=re.escape(path)):
            traced(update, params)


@rows
def test_integer_parameters_are_refused_by_path(case):
    params = tree()
    params["dense"] = params["dense"]._replace(kernel=jnp.ones((2, 3), jnp.int32))
    if case.theirs_inside:
        pytest.skip("Optax's part takes integers")
    with pytest.raises(TypeError, match="dense/kernel"):
        case.ours().init(params)


REAL = {
    ro.clip, ro.rprop, ro.scale_by_rprop, ro.adopt, ro.scale_by_adopt, ro_torch.rprop,
    ro_torch.adafactor,
}  # fmt: skip


@pytest.mark.parametrize("case", PRINCIPAL, ids=repr)
def test_complex_parameters_are_taken_or_refused_by_path(case):
    params = tree(jnp.complex64)
    tx = case.ours()
    refused = pytest.raises(TypeError, match="'dense/kernel' is complex")
    with refused if inspect.unwrap(case.make.func) in REAL else contextlib.nullcontext():
        traced(lambda params: tx.update(params, tx.init(params), params), params)


@rows
def test_missing_parameters_are_refused_by_path_where_they_are_needed(case):
    run = ours(case, home(case))
    gradients = jax.tree.map(lambda g: g[1], run.halves[1])
    with run.session():
        if not case.needs_params:
            without = traced(run.tx.update, gradients, run.middle[1])
            assert without == traced(run.tx.update, gradients, run.middle[1], run.middle[0])
        elif case.theirs_inside:
            pytest.skip("Optax's part finds out first, in its own words")
        else:
            with pytest.raises(ValueError, match=r"parameters.*'(conv/0|absent|dense/kernel)'"):
                traced(run.tx.update, gradients, run.middle[1])


@building_blocks
def test_parameters_that_are_not_needed_change_nothing(case):
    if case.needs_params:
        pytest.skip("needs them")
    run = ours(case, home(case))
    gradients = jax.tree.map(lambda g: g[1], run.halves[1])
    with run.session():
        without = run.tx.update(gradients, run.middle[1])
        same_bits(without, run.tx.update(gradients, run.middle[1], run.middle[0]))


@building_blocks
def test_numpy_inputs_are_as_good_as_jax_arrays(case):
    run = ours(case, home(case))
    inputs = (jax.tree.map(lambda g: g[1], run.halves[1]), run.middle[1], run.middle[0])
    with run.session():
        same_bits(run.tx.update(*jax.tree.map(np.asarray, inputs)), run.tx.update(*inputs))


def test_the_rows_reach_the_refusals():
    """At least every hyperparameter that a constructor checks is tried."""
    assert len(WRONG) > 40
    assert {name for _, name in COUNTED} == COUNTS
    assert runs.STEPS >= 60
