"""Law 9: how a state is kept is not what it computes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro
from tests.cases import CASES, PRINCIPAL
from tests.laws import runs
from tests.laws.compare import first, pairs
from tests.laws.rows import OF_PARTS, is_building_block, only, rows
from tests.laws.runs import SHORT, at, home, ours, step


def to_bfloat16(x):
    parts = (x.real, x.imag) if jnp.iscomplexobj(x) else (x,)
    return tuple(part.astype(jnp.bfloat16) for part in parts)


def from_bfloat16(kept, dtype):
    real, *imaginary = (part.astype(jnp.finfo(dtype).dtype) for part in kept)
    return jax.lax.complex(real, *imaginary) if imaginary else real


def test_the_format_rounds_to_eight_bits():
    x = jnp.array([1.0, 1 + 2.0**-9, 3 - 1j])
    assert from_bfloat16(to_bfloat16(x), x.dtype).tolist() == [1, 1, 3 - 1j]


def test_slots_are_kept_in_it():
    tx = ro.stored(ro.adam(0.1), to_bfloat16, from_bfloat16)
    state = tx.init({"w": jnp.zeros((3, 2)), "b": jnp.zeros(2)})
    dtypes = [x.dtype for x in jax.tree.leaves(state)]
    assert dtypes == [jnp.int32, *[jnp.bfloat16] * 4]


once = only(lambda case: case.make.func not in (ro.stored, ro.quantized), "is stored already")


@rows
@once
def test_kept_as_they_are_nothing_changes(case):
    """The same program, so the same bits."""
    tx, params = case.ours(), runs.shapes(case, home(case))
    same = ro.stored(tx, lambda x: x, lambda kept, dtype: kept)
    with runs.session(home(case), case.theirs_inside):
        programs = [
            jax.make_jaxpr(one.update)(params, jax.eval_shape(one.init, params), params)
            for one in (tx, same)
        ]
        starts = [str(jax.make_jaxpr(one.init)(params)) for one in (tx, same)]
    assert str(programs[0]) == str(programs[1])
    assert starts[0] == starts[1]


# A variant has the same kind of slots, and each row here compiles a program of its own.
principal_now = pytest.mark.parametrize(
    "case",
    [case if case in PRINCIPAL else pytest.param(case, marks=pytest.mark.slow) for case in CASES],
    ids=repr,
)


@principal_now
@once
@only(lambda case: not case.allow.subtracts, "of what is rounded it takes differences")
@only(lambda case: case not in PRINCIPAL or is_building_block(case), OF_PARTS)
def test_in_bfloat16_the_trajectory_is_near(case):
    """A leaf strays by at most 1% of its way, or 2% of its size where that is what is rounded."""
    run = ours(case, home(case))
    steps = followed(run, ro.stored(run.tx, to_bfloat16, from_bfloat16))
    start = jax.tree.leaves(run.params)
    expected = at(run.steps.params, slice(SHORT))
    for (name, a, e), p in zip(pairs(steps.params, expected), start, strict=True):
        known = np.isfinite(e)
        np.testing.assert_array_equal(np.isfinite(a), known, err_msg=name)
        far = np.abs(e if case.allow.keeps_params else e - np.asarray(p)[None])[known]
        limit = (0.02 if case.allow.keeps_params else 0.01) * np.max(far, initial=0.0)
        strayed = np.abs(a - e)
        assert np.max(strayed[known], initial=0.0) <= limit, (
            f"{name} {first(known & (strayed > limit), a, e)}, further than {limit:.3g}"
        )


def followed(run, tx):
    """The first steps of another transformation than the run's."""
    with run.session():
        state, some = tx.init(run.params), at(run.halves[0], slice(SHORT))
        return run.follow(run.params, state, some, jax.jit(step(tx)))[1]


NEARER = {"bf16": 0.02, "8bit": 0.25, "fp8_e4m3": 0.15}


def is_fast(case, format_):
    """The slots are those of primitives, and a variant's are of the same kind."""
    return format_ == "8bit" and case in PRINCIPAL and is_building_block(case)


@pytest.mark.parametrize(
    ("case", "format_"),
    [
        pytest.param(case, f, id=f"{case}-{f}", marks=() if is_fast(case, f) else pytest.mark.slow)
        for case in CASES
        for f in NEARER
    ],
)
@once
@only(lambda case: not case.allow.subtracts, "of what is rounded it takes differences")
@only(lambda case: not case.allow.inverts, "divides by near nothing")
def test_in_few_bits_the_trajectory_is_near(case, format_):
    """A leaf strays by a part of its way, in norm: gradients of three decades share a block."""
    run = ours(case, home(case))
    tx = ro.quantized(run.tx, format_, min_size=0)
    with run.session():
        kept = jax.eval_shape(tx.init, run.params)
    if jax.tree.structure(kept) == jax.tree.structure(run.state):
        pytest.skip("has no slot that is kept so")
    steps = followed(run, tx)
    start, expected = jax.tree.leaves(run.params), at(run.steps.params, slice(SHORT))
    for (name, a, e), p in zip(pairs(steps.params, expected), start, strict=True):
        known = np.isfinite(e)
        np.testing.assert_array_equal(np.isfinite(a), known, err_msg=name)
        far = np.linalg.norm((e if case.allow.keeps_params else e - np.asarray(p)[None])[known])
        assert np.linalg.norm((a - e)[known]) <= NEARER[format_] * far + 1e-12, name
