"""Law 6: bad input is refused by name, and good input of any kind is taken."""

import contextlib
import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro
from regopt_jax.interop import torch as ro_torch
from tests.cases import CASES, PRINCIPAL
from tests.laws import compare, runs
from tests.laws.rows import building_blocks, makers, only, rows
from tests.laws.runs import FLOAT64, Layer, ours, same_bits

WRONG = [(case, name) for case in CASES for name in case.wrong]


def test_every_public_transformation_has_a_row():
    in_rows = {case.make.func for case in CASES}
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
        case.make(**wrong)
    assert str(case.wrong[name]) in str(caught.value)


COUNTS = {
    "every_k", "k", "sync_period", "patience", "cooldown", "accumulation_size", "ns_steps",
    "precondition_frequency", "max_consecutive_errors", "num_betas", "update_proj_gap",
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
        case.make(**{name: count})


@pytest.mark.parametrize("count", [2, np.int64(2), jnp.array(2)], ids=repr)
@pytest.mark.parametrize(("case", "name"), COUNTED, ids=str)
def test_a_count_may_be_an_integer_of_any_kind(case, name, count):
    case.make(**{name: count})


DTYPED = [
    (case, name)
    for case in PRINCIPAL
    for name in inspect.signature(case.make.func).parameters
    if "dtype" in name
]


@pytest.mark.parametrize("dtype", [jnp.int32, "uint8", bool, 32, [1]], ids=repr)
@pytest.mark.parametrize(("case", "name"), DTYPED, ids=str)
def test_a_dtype_holds_fractions(case, name, dtype):
    with pytest.raises(ValueError, match=rf"\b{name} must be a dtype of real or complex numbers"):
        case.make(**{name: dtype})


@pytest.mark.parametrize(("case", "name"), DTYPED, ids=str)
def test_a_slot_of_complex_parameters_is_complex(case, name):
    """In a real dtype only as precise; of real parameters it stays real in a complex one."""
    if case.real:
        pytest.skip("refuses complex parameters")
    for params, wish in ((tree(jnp.complex64), jnp.float32), (tree(), jnp.complex64)):
        plain, wished = (
            jax.tree.leaves(jax.eval_shape(case.ours(**{name: dtype}).init, params))
            for dtype in (params["out"][0].dtype, wish)
        )
        assert [x.dtype for x in wished] == [x.dtype for x in plain]


PAIRS = [
    (ro_torch.adam, "betas"), (ro_torch.nadam, "betas"), (ro_torch.rprop, "etas"),
    (ro_torch.rprop, "step_sizes"), (ro_torch.adafactor, "eps"), (ro.prodigy, "betas"),
    (ro.dadapt_adamw, "betas"), (ro.dog, "init_step"),
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


PASSED_ON = {
    "muon_weight_dimension_numbers": "MuonDimensionNumbers",
    "hessian_diagonal_fn": "Expected a gradient transformation",
    "linesearch": "Expected a gradient transformation",
    "base_optimizer": "Expected a gradient transformation",
}


def refusal(case, **wrong):
    """What it says to wrong arguments, when it is made or at the latest in a step."""
    params = tree()
    try:
        tx = case.ours(**wrong)
        traced(lambda params: tx.update(params, tx.init(params), params), params)
    except (TypeError, ValueError) as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    "wrong", ["x", {"a": 1}, 3.7, (0, 0, "y"), pytest.param(object(), id="object()")], ids=repr
)
@pytest.mark.parametrize("case", PRINCIPAL, ids=repr)
def test_an_argument_of_another_kind_is_refused_by_its_name_or_taken(case, wrong):
    """Never by an error of Python's or JAX's own about what was done with it."""
    for name, parameter in inspect.signature(case.make.func).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        said = refusal(case, **{name: wrong})
        named = (PASSED_ON.get(name, name), case.public_name, "masked: the mask")
        assert said is None or any(word in said for word in named), f"{name}: {said}"


@pytest.mark.parametrize("axis", ["x", "01", 1.0, [0, "1"], {0: 1}], ids=repr)
@pytest.mark.parametrize(
    "make", [lambda axis: ro.adaptive_grad_clip(0.1, axis=axis),
             lambda axis: ro.group_lasso(0.1, axis),
             lambda axis: ro.sparse_group_lasso(0.1, 0.1, axis)],
    ids=["adaptive_grad_clip", "group_lasso", "sparse_group_lasso"],
)  # fmt: skip
def test_an_axis_is_an_integer(make, axis):
    with pytest.raises(ValueError, match="axis must be an integer or several, got"):
        make(axis)


@pytest.mark.parametrize("axis", [2, -3, (0, 1, 2), (0, -2)], ids=repr)
def test_an_axis_that_a_leaf_has_not_is_refused_by_path(axis):
    with pytest.raises(ValueError, match=r"does not fit the leaf at 'kernel' of shape \(2, 3\)"):
        ro.adaptive_grad_clip(0.1, axis=axis).init({"kernel": jnp.ones((2, 3))})


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
def test_what_does_not_fit_is_refused_by_path(case):
    for spoil, path in [(lacking, "out/0"), (misshapen, "dense/kernel")]:
        gradients_are_refused(case, spoil, path)
    integers_are_refused(case)
    if case in PRINCIPAL:
        complex_numbers_are_taken_or_refused(case)
    missing_parameters_are_refused_where_they_are_needed(case)


def gradients_are_refused(case, spoil, path):
    """By ``update`` where it has something to compare with, else by ``apply_updates``.

    What is made of parts has the structure of the parameters.
    """
    if case.theirs_inside:
        return  # Optax's part finds out first, in its own words
    tx, params = case.ours(), tree()

    def update(params):
        return tx.update(spoil(params), tx.init(params), params)[0]

    in_parts = spoil is lacking and tx.parts
    if in_parts or case.needs_params or (case.leaves_alike and holds_arrays(tx, params)):
        with pytest.raises(ValueError, match=re.escape(path)):
            traced(update, params)
    else:
        with pytest.raises(ValueError, match=re.escape(path)):
            traced(lambda params: ro.apply_updates(params, update(params)), params)


def integers_are_refused(case):
    params = tree()
    params["dense"] = params["dense"]._replace(kernel=jnp.ones((2, 3), jnp.int32))
    if case.theirs_inside:
        return  # Optax's part takes integers
    tx = case.ours()
    if case.public_name in ("set_to_zero", "freeze", "selective_transform"):
        return  # zeros are of any kind
    if case.public_name in ("differentially_private_aggregate", "dpsgd"):
        return  # whose rows make a batch of the gradients first
    with pytest.raises(TypeError, match=r"gradient at '.*' is of int32"):
        traced(lambda params: tx.update(params, tx.init(params), tree()), params)


def complex_numbers_are_taken_or_refused(case):
    params = tree(jnp.complex64)
    tx = case.ours()
    refused = pytest.raises(TypeError, match="'dense/kernel' is complex")
    with refused if case.real else contextlib.nullcontext():
        traced(lambda params: tx.update(params, tx.init(params), params), params)


def missing_parameters_are_refused_where_they_are_needed(case):
    shapes = runs.shapes(case, FLOAT64)
    tx = case.ours()
    with runs.session(FLOAT64, case.theirs_inside):
        state = traced(tx.init, shapes)
        if not case.needs_params:
            without = traced(tx.update, shapes, state)
            given = traced(tx.update, shapes, state, shapes)
            assert jax.tree.structure(without) == jax.tree.structure(given)
            assert jax.tree.leaves(without) == jax.tree.leaves(given)
        elif not case.theirs_inside:  # Optax's part finds out first, in its own words
            with pytest.raises(ValueError, match=r"parameters.*'(conv/0|absent|dense/kernel)'"):
                traced(tx.update, shapes, state)


@rows
@only(lambda case: not case.needs_params, "needs them")
def test_parameters_that_are_not_needed_change_nothing(case):
    """The program is the same, or its results are, where a branch is handed what it is given."""
    tx, params = case.ours(), runs.shapes(case, FLOAT64)

    def without(gradients, state, params):
        return tx.update(gradients, state)

    with runs.session(FLOAT64, case.theirs_inside):
        state = jax.eval_shape(tx.init, params)
        programs = [
            compare.text(jax.make_jaxpr(update)(params, state, params))
            for update in (tx.update, without)
        ]
    if programs[0] != programs[1]:
        run = ours(case, FLOAT64)
        inputs = (jax.tree.map(lambda g: g[1], run.halves[1]), run.middle[1], run.middle[0])
        with run.session():
            same_bits(without(*inputs), tx.update(*inputs))


@building_blocks
def test_numpy_inputs_are_as_good_as_jax_arrays(case):
    run = ours(case, FLOAT64)
    inputs = (jax.tree.map(lambda g: g[1], run.halves[1]), run.middle[1], run.middle[0])
    with run.session():
        same_bits(run.tx.update(*jax.tree.map(np.asarray, inputs)), run.tx.update(*inputs))


def test_the_rows_reach_the_refusals():
    """At least every hyperparameter that a constructor checks is tried."""
    assert len(WRONG) > 40
    assert {name for _, name in COUNTED} == COUNTS
    assert runs.STEPS >= 60
