import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro

PARAMS = {"w": jnp.array([1.0, -2.0]), "b": jnp.array(0.5), "n": None}
GRADS = {"w": jnp.array([0.3, 4.0]), "b": jnp.array(-1.5), "n": None}


def run(tx, steps):
    params, state, path = PARAMS, tx.init(PARAMS), [PARAMS]
    for _ in range(steps):
        updates, state = jax.jit(tx.update)(GRADS, state, params)
        params = ro.apply_updates(params, updates)
        path.append(params)
    return path, state


def close(a, b, rtol=1e-5):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol), a, b)


def test_the_debiased_average_of_the_parameters_after_each_step():
    """As ``optax.ema`` of the parameters, run by hand beside the steps."""
    path, state = run(ro.chain(ro.adam(0.1), ro.params_ema(0.9)), 5)
    by_hand = ro.ema(0.9)
    memory = by_hand.init(PARAMS)
    for params in path[1:]:
        average, memory = by_hand.update(params, memory)
    close(optax.tree.get(state, "params_ema"), average)


def test_without_debiasing_it_starts_at_the_initial_parameters():
    path, state = run(ro.chain(ro.adam(0.1), ro.params_ema(0.9, debias=False)), 5)
    average = path[0]
    for params in path[1:]:
        average = ro.incremental_update(params, average, 0.1)
    close(optax.tree.get(state, "params_ema"), average)


@pytest.mark.parametrize("debias", [False, True])
def test_before_the_first_step_it_is_the_parameters_in_memory_of_its_own(debias):
    tx = ro.params_ema(0.9, debias)
    w = jnp.array([1.0, 2.0])
    state = tx.init(w)
    assert state.params_ema.tolist() == w.tolist()
    step = jax.jit(tx.step, donate_argnums=(1, 2))
    params, state = step(jnp.ones(2), state, w)
    assert params.tolist() == [2.0, 3.0]


def test_the_first_step_alone_is_the_average_when_debiased():
    path, state = run(ro.chain(ro.sgd(0.1), ro.params_ema(0.999)), 1)
    close(optax.tree.get(state, "params_ema"), path[1])


@pytest.mark.parametrize("kind", [float, jnp.float32])
@pytest.mark.parametrize("decay", [0.0, 0.9, 0.9999, 0.999999, 1 - 1e-7])
def test_debiasing_leaves_out_the_initial_parameters_for_any_decay(decay, kind):
    """1 - β^t as a difference would keep a hundredth of them for β = 0.999999 in float32."""
    tx = ro.params_ema(kind(decay))
    state, seen = tx.init(jnp.zeros(())), []
    for _ in range(5):
        _, state = jax.jit(tx.update)(jnp.zeros(()), state, jnp.array(1000.0))
        seen.append(float(state.params_ema))
    np.testing.assert_allclose(seen, 1000.0, rtol=1e-6)


@pytest.mark.parametrize("decay", [0.9, 0.999999])
def test_the_weights_of_a_debiased_average_in_float32(decay):
    path = np.random.default_rng(0).normal(size=50)
    tx = ro.params_ema(decay)
    state = tx.init(jnp.zeros(()))
    for w in path:
        _, state = jax.jit(tx.update)(jnp.zeros(()), state, jnp.float32(w))
    weights = decay ** np.arange(50)[::-1]
    assert float(state.params_ema) == pytest.approx(weights @ path / weights.sum(), abs=1e-6)


def test_an_average_of_bfloat16_parameters_is_float32_unless_it_is_asked_for_narrower():
    """In bfloat16 a step of 0.001 of the distance is lost."""
    w = jnp.array([1.0], jnp.bfloat16)
    for dtype, moves in ((None, True), (jnp.float32, True), (jnp.bfloat16, False)):
        tx = ro.params_ema(0.999, debias=False, accumulator_dtype=dtype)
        state = tx.init(w)
        for _ in range(10):
            updates, state = tx.update(jnp.array([1.0], jnp.bfloat16), state, w)
        assert updates.dtype == jnp.bfloat16
        assert bool(state.params_ema[0] > 1) is moves


def test_it_counts_optimiser_steps_inside_a_gate():
    tx = ro.accumulate(ro.chain(ro.sgd(0.1), ro.params_ema(0.9)), 3)
    _, state = run(tx, 7)
    assert int(optax.tree.get(state, "count")) == 2


def test_it_needs_parameters():
    tx = ro.params_ema(0.9)
    with pytest.raises(ValueError, match="params_ema: the parameters are needed"):
        tx.update(GRADS, tx.init(PARAMS))


# --- Optax's functions --------------------------------------------------------------------


@pytest.mark.parametrize("step_size", [0.0, 0.3, 1.0])
def test_incremental_update_is_that_of_optax(step_size):
    ours = jax.jit(ro.incremental_update)(GRADS, PARAMS, step_size)
    close(ours, optax.incremental_update(GRADS, PARAMS, step_size), 1e-6)


def test_an_average_keeps_its_dtype():
    new, old = jnp.ones(2), jnp.zeros(2, jnp.bfloat16)
    assert ro.incremental_update(new, old, 0.5).dtype == jnp.bfloat16
    assert ro.periodic_update(new, old, 4, 2).dtype == jnp.bfloat16
    assert ro.incremental_update(old, new, jnp.float32(0.5)).dtype == jnp.float32


@pytest.mark.parametrize("steps", range(5))
def test_periodic_update_is_that_of_optax(steps):
    close(
        jax.jit(ro.periodic_update)(GRADS, PARAMS, steps, 3),
        optax.periodic_update(GRADS, PARAMS, steps, 3),
        0,
    )


def test_wrong_numbers_and_trees():
    with pytest.raises(ValueError, match=r"step_size must be in \[0, 1\], got 1.5"):
        ro.incremental_update(GRADS, PARAMS, 1.5)
    with pytest.raises(ValueError, match=r"update_period must be an integer in \[1, inf\), got 0"):
        ro.periodic_update(GRADS, PARAMS, 1, 0)
    with pytest.raises(ValueError, match="w"):
        ro.incremental_update(GRADS, {"b": PARAMS["b"], "n": None}, 0.5)
