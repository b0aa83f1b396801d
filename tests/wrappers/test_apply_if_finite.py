import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro

PARAMS = {"w": jnp.array([1.0, -2.0, 3.0]), "b": jnp.array(0.5)}
GOOD = {"w": jnp.array([0.3, 4.0, -0.2]), "b": jnp.array(-1.5)}


def bad(value=jnp.nan, leaf="w"):
    return GOOD | {leaf: jnp.full_like(GOOD[leaf], value)}


def bits(tree):
    return [(x.dtype, x.shape, np.asarray(x).tobytes()) for x in jax.tree.leaves(tree)]


def counts(state):
    return int(state.notfinite_count), int(state.total_notfinite), bool(state.last_finite)


INNER = {
    "adamw": ro.adamw(0.1, weight_decay=0.1),
    "scheduled momentum": ro.sgd(ro.linear_schedule(0.1, 0.0, 5), momentum=0.9),
    "proximal": ro.proximal(ro.adam(0.1), ro.l1(0.3)),
    "optax": optax.rmsprop(0.1),
}


@pytest.mark.parametrize("name", INNER)
def test_a_bad_step_changes_no_bit(name):
    tx = ro.apply_if_finite(INNER[name])
    update = jax.jit(tx.update)
    _, state = update(GOOD, tx.init(PARAMS), PARAMS)
    for value in (jnp.nan, jnp.inf, -jnp.inf):
        for leaf in ("w", "b"):
            updates, after = update(bad(value, leaf), state, PARAMS)
            assert bits(ro.apply_updates(PARAMS, updates)) == bits(PARAMS)
            assert bits(after.inner_state) == bits(state.inner_state)
            assert counts(after) == (1, 1, False)


@pytest.mark.parametrize("name", INNER)
def test_one_bad_element_is_enough(name):
    tx = ro.apply_if_finite(INNER[name])
    grads = GOOD | {"w": GOOD["w"].at[2].set(jnp.inf)}
    updates, _ = tx.update(grads, tx.init(PARAMS), PARAMS)
    assert not np.any(updates["w"])
    assert not np.any(updates["b"])


@pytest.mark.parametrize("name", INNER)
def test_good_steps_are_the_inner_transformations(name):
    """As if the bad steps had never been."""
    inner, tx = INNER[name], ro.apply_if_finite(INNER[name])
    state, inner_state = tx.init(PARAMS), inner.init(PARAMS)
    update, update_inner = jax.jit(tx.update), jax.jit(inner.update)
    for grads in (GOOD, bad(), bad(jnp.inf), GOOD, GOOD, bad(), GOOD):
        updates, state = update(grads, state, PARAMS)
        if np.all(np.isfinite(grads["w"])):
            expected, inner_state = update_inner(grads, inner_state, PARAMS)
            jax.tree.map(
                lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), updates, expected
            )
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), state.inner_state, inner_state
    )


HUGE = {
    "cancel": jnp.concatenate([jnp.full(500, 3e38), jnp.full(500, -3e38)]),
    "complex": jnp.array([3e38 + 3e38j]),
    "bfloat16": jnp.full((30, 30), 3e38, jnp.bfloat16),
}


@pytest.mark.parametrize("name", HUGE)
def test_finite_gradients_may_have_a_sum_and_a_modulus_that_overflow(name):
    g, tx = HUGE[name], ro.apply_if_finite(ro.identity())
    for run in (tx.update, jax.jit(tx.update)):
        updates, state = run(g, tx.init(g))
        assert counts(state) == (0, 0, True)
        assert bits(updates) == bits(g)
        _, state = run(g.at[..., 0].set(-jnp.inf), tx.init(g))
        assert counts(state) == (1, 1, False)


def test_the_count_of_consecutive_bad_steps_starts_again():
    tx = ro.apply_if_finite(ro.sgd(0.1))
    state, seen = tx.init(PARAMS), []
    assert counts(state) == (0, 0, True)
    for grads in (GOOD, bad(), bad(), GOOD, bad(), GOOD, GOOD):
        _, state = tx.update(grads, state, PARAMS)
        seen.append(counts(state))
    assert seen == [
        (0, 0, True),
        *((1, 1, False), (2, 2, False), (0, 2, True)),
        *((1, 3, False), (0, 3, True), (0, 3, True)),
    ]


def test_equals_optax_below_its_limit():
    ours = ro.apply_if_finite(ro.sgd(0.1, momentum=0.9))
    theirs = optax.apply_if_finite(optax.sgd(0.1, momentum=0.9), max_consecutive_errors=100)
    a, b = ours.init(PARAMS), theirs.init(PARAMS)
    for grads in (GOOD, bad(), GOOD, bad(jnp.inf), bad(), GOOD):
        assert jax.tree.structure(a) == jax.tree.structure(b)
        u, a = jax.jit(ours.update)(grads, a, PARAMS)
        v, b = jax.jit(theirs.update)(grads, b, PARAMS)
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), (u, a), (v, b))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_inside_scan(dtype):
    params = jax.tree.map(lambda x: x.astype(dtype), PARAMS)
    stream = [GOOD, bad(), bad(jnp.inf, "b"), GOOD, bad()]
    steps = jax.tree.map(lambda *x: jnp.stack(x).astype(dtype), *stream)
    tx = ro.apply_if_finite(ro.adam(0.1))

    def body(carry, grads):
        params, state = carry
        updates, state = tx.update(grads, state, params)
        params = ro.apply_updates(params, updates)
        return (params, state), params["b"]

    (end, state), path = jax.jit(lambda c: jax.lax.scan(body, c, steps))((params, tx.init(params)))
    assert counts(state) == (1, 3, False)
    assert int(optax.tree.get(state, "count")) == 2
    assert end["w"].dtype == dtype
    path = np.asarray(path, np.float32)
    assert path[0] == path[1] == path[2] != path[3] == path[4]


def test_nested_in_a_chain_protects_what_follows():
    """A clip before it may divide by an infinite norm; what is inside never sees that."""
    tx = ro.chain(ro.clip_by_global_norm(1.0), ro.apply_if_finite(ro.adam(0.1)))
    state = tx.init(PARAMS)
    _, state = tx.update(GOOD, state, PARAMS)
    updates, after = tx.update(bad(jnp.inf), state, PARAMS)
    assert not any(np.any(u) for u in jax.tree.leaves(updates))
    assert bits(after[1].inner_state) == bits(state[1].inner_state)


def test_inside_accumulation_a_bad_mean_is_dropped():
    tx = ro.accumulate(ro.apply_if_finite(ro.sgd(1.0)), 2)
    params = jnp.array(0.0)
    state, seen = tx.init(params), []
    for g in (1.0, jnp.nan, 1.0, 3.0):
        updates, state = jax.jit(tx.update)(jnp.array(g), state, params)
        seen.append(float(updates))
    assert seen == [0.0, 0.0, 0.0, -2.0]
    assert counts(state.inner_opt_state) == (0, 1, True)


def test_around_accumulation_a_bad_gradient_is_not_counted():
    tx = ro.apply_if_finite(ro.accumulate(ro.sgd(1.0), 2))
    params = jnp.array(0.0)
    state, seen = tx.init(params), []
    for g in (1.0, jnp.nan, 3.0, 1.0):
        updates, state = jax.jit(tx.update)(jnp.array(g), state, params)
        seen.append(float(updates))
    assert seen == [0.0, 0.0, -2.0, 0.0]
    assert counts(state) == (0, 1, True)


def test_within_a_mask_only_the_selected_leaves_count():
    tx = ro.masked(ro.apply_if_finite(ro.sgd(1.0)), ro.select("b"))
    updates, state = tx.update(bad(), tx.init(PARAMS), PARAMS)
    assert float(updates["b"]) == 1.5
    assert counts(state.inner_state) == (0, 0, True)


def test_no_leaves_and_none():
    tx = ro.apply_if_finite(ro.sgd(1.0))
    updates, state = tx.update({}, tx.init({}), {})
    assert updates == {}
    assert counts(state) == (0, 0, True)
    params = {"a": None, "b": jnp.array(1.0)}
    updates, _ = tx.update(params, tx.init(params), params)
    assert updates["a"] is None
    assert float(updates["b"]) == -1.0


def test_complex_gradients():
    tx = ro.apply_if_finite(ro.sgd(1.0))
    params = jnp.array([1.0 + 2.0j])
    updates, state = tx.update(jnp.array([complex(1.0, np.nan)]), tx.init(params), params)
    assert updates.tolist() == [0.0]
    assert counts(state) == (1, 1, False)


def test_extra_arguments_reach_the_inner_transformation():
    def update(updates, state, params=None, *, value, **_):
        return jax.tree.map(lambda u: u * value, updates), state

    inner = optax.GradientTransformationExtraArgs(lambda p: optax.EmptyState(), update)
    tx = ro.apply_if_finite(inner)
    updates, _ = tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)), value=2.0)
    assert float(updates) == 6.0


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_after_its_limit_one_bad_step_is_let_through_and_the_count_starts_again(limit):
    tx = ro.apply_if_finite(ro.sgd(1.0), max_consecutive_errors=limit)
    state, let_through = tx.init(PARAMS), []
    for _ in range(2 * (limit + 1)):
        updates, state = jax.jit(tx.update)(bad(), state, PARAMS)
        let_through.append(bool(jnp.isnan(updates["w"][0])))
        if let_through[-1]:
            assert int(state.notfinite_count) == 0
    assert let_through == ([False] * limit + [True]) * 2
    assert int(state.total_notfinite) == 2 * (limit + 1)
    assert not bool(state.last_finite)


def test_optax_never_ignores_again_once_its_limit_is_passed():
    """Its count of errors in a row goes on rising while it lets them through (issue 1746)."""
    tx = optax.apply_if_finite(optax.sgd(1.0), max_consecutive_errors=1)
    state, let_through = tx.init(PARAMS), []
    for _ in range(4):
        updates, state = tx.update(bad(), state, PARAMS)
        let_through.append(bool(jnp.isnan(updates["w"][0])))
    assert let_through == [False, True, True, True]


def test_a_good_step_starts_the_count_again():
    tx = ro.apply_if_finite(ro.sgd(1.0), max_consecutive_errors=1)
    state = tx.init(PARAMS)
    for grads in (bad(), GOOD, bad(), GOOD, bad()):
        updates, state = tx.update(grads, state, PARAMS)
        assert jnp.all(jnp.isfinite(updates["w"]))
