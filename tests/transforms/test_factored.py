"""Adafactor's second moment: which axes it keeps, its metric, and what that is for."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro
from tests.laws.runs import close, session, ulps

SHAPES = {
    "square": (6, 6), "wide": (3, 9), "tall": (9, 3), "cube": (5, 5, 5), "middle": (4, 9, 5),
    "kernel": (3, 3, 4, 8), "row": (1, 8), "column": (8, 1), "vector": (8,), "scalar": (),
    "empty": (0, 4), "empty_column": (4, 0),
}  # fmt: skip


def trees(dtype="float32", steps=3):
    rng = np.random.default_rng(0)
    draws = [
        {k: jnp.asarray(rng.normal(size=s), dtype) for k, s in SHAPES.items()}
        for _ in range(steps + 1)
    ]
    return draws[0], draws[1:]


@pytest.mark.parametrize("shortest", [1, 3, 5, 128])
def test_ugly_shapes_are_factored_as_in_optax(shortest):
    params, gradients = trees()
    options = {"min_dim_size_to_factor": shortest}
    ours, theirs = ro.scale_by_factored_rms(**options), optax.scale_by_factored_rms(**options)
    mine, other = ours.init(params), theirs.init(params)
    update, their_update = jax.jit(ours.update), jax.jit(theirs.update)
    for g in gradients:
        updates, mine = update(g, mine, params)
        with session("float32", lenient=True):
            expected, other = their_update(g, other, params)
        close((updates, mine), (expected, other), ulps(8))
    short = [s for s in SHAPES.values() if len(s) < 2 or sorted(s)[-2] < shortest]
    whole = [v.shape for v in jax.tree.leaves(mine.v) if v.shape != (1,)]
    assert sorted(whole) == sorted(short)


def test_the_update_is_the_gradient_over_the_metric():
    params, (g, *_) = trees()
    tx = ro.scale_by_factored_rms(min_dim_size_to_factor=3)
    updates, state = tx.update(g, tx.init(params), params)
    divided = jax.tree.map(lambda g, d: g / d, g, tx.metric(state, params))
    close(updates, divided, ulps(4))


def test_a_row_of_zero_gradients_stays_finite():
    """Optax's product of factors is not a number where a row's share underflows."""
    g = jnp.ones((4, 4)).at[0].set(0) * 1e5
    tx = ro.scale_by_factored_rms(min_dim_size_to_factor=2)
    updates, _ = tx.update(g, tx.init(g), g)
    assert np.all(np.isfinite(updates))
    np.testing.assert_allclose(updates[1:], 1.0, rtol=1e-5)


def test_bfloat16_statistics_follow_those_of_float32():
    params, gradients = trees(steps=40)
    tx, ends = ro.scale_by_factored_rms(min_dim_size_to_factor=2), []
    for dtype in ("float32", "bfloat16"):
        p, *gs = jax.tree.map(lambda x: x.astype(dtype), [params, *gradients])  # noqa: B023
        state = tx.init(p)
        for g in gs:
            updates, state = tx.update(g, state, p)
        assert updates["wide"].dtype == state.v_row["wide"].dtype == dtype
        ends.append(updates)
    close(ends[1], ends[0], lambda dtype: 0.05)


def test_adafactor_takes_a_proximal_map_in_its_metric():
    """L1 with a threshold above every step of a zero weight leaves it at zero."""
    w = jnp.array([[0.0, 1.0], [2.0, 0.0]])
    tx = ro.proximal(ro.adafactor(0.01, min_dim_size_to_factor=2), ro.l1(1e3))
    updates, _ = tx.update(jnp.array([[0.1, 0.2], [-0.3, 0.1]]), tx.init(w), w)
    after = ro.apply_updates(w, updates)
    assert float(after[0, 0]) == float(after[1, 1]) == 0
    assert np.all(np.abs(after) <= np.abs(w))


def test_the_state_of_a_matrix_is_its_rows_and_columns():
    params = {"w": jax.ShapeDtypeStruct((512, 256), jnp.float32)}
    state = jax.eval_shape(ro.adafactor(0.1).init, params)
    assert sum(x.size for x in jax.tree.leaves(state)) < 2 * (512 + 256)


def test_optional_parts_are_left_out_as_in_optax():
    options = {"clipping_threshold": None, "multiply_by_parameter_scale": False}
    names = [part.name for part in ro.adafactor(**options).parts]
    assert names == ["scale_by_factored_rms", "scale"]
