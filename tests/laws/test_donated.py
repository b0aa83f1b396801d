"""Law 7, of memory: a state may be donated, after ``init`` and after any step."""

import jax
import jax.numpy as jnp
import optax
import pytest

import regopt_jax as ro
from regopt_jax.interop import torch as ro_torch
from tests.laws.rows import principal
from tests.laws.runs import home, ours, step

PARAMS = {"kernel": jnp.ones((8, 3)), "bias": jnp.ones(8), "scalar": jnp.ones(())}


def shared(*trees):
    """The leaves whose buffer an earlier leaf has too, by path."""
    seen, again = {}, []
    for path, x in jax.tree.leaves_with_path(trees):
        where = x.unsafe_buffer_pointer() if x.size else id(x)
        if where in seen:
            again.append((jax.tree_util.keystr(path), seen[where]))
        seen[where] = jax.tree_util.keystr(path)
    return again


@principal
def test_no_two_arrays_share_a_buffer(case):
    """Of a state alone; beside ``LookaheadParams.init_synced`` the parameters are one twice."""
    run = ours(case, home(case))
    params, state = run.params, run.state
    with run.session():
        for t in range(4):
            assert not shared(state)
            if not case.allow.keeps_params:
                assert not shared(params, state)
            gradients = jax.tree.map(lambda g, t=t: jnp.asarray(g[t]), run.halves[0])
            (params, state), _ = run.compiled(params, state, gradients)


@pytest.mark.parametrize(
    "make",
    [ro.adafactor, ro_torch.adafactor, lambda: ro.accumulate(ro.adamw(0.1), 2), ro.prodigy,
     lambda: ro.params_ema(0.9), lambda: ro.schedule_free_adamw(0.1)],
)  # fmt: skip
def test_a_state_is_donated_from_the_first_step_on(make):
    tx = make()
    params = jax.tree.map(jnp.copy, PARAMS)
    state = tx.init(params)
    run = jax.jit(lambda *inputs: step(tx)(*inputs)[0], donate_argnums=(0, 1))
    for _ in range(3):
        before = jax.tree.leaves((params, state))
        params, state = run(params, state, PARAMS)
        assert all(x.is_deleted() for x in before)


@pytest.mark.parametrize("make", [ro.adafactor, lambda: ro.sgd(0.1, 0.9), lambda: ro.adam(0.1)])
def test_nor_do_two_after_an_eager_step(make):
    tx = make()
    state = tx.init(PARAMS)
    for _ in range(2):
        _, state = tx.update(PARAMS, state, PARAMS)
        assert not shared(PARAMS, state)


@pytest.mark.parametrize("init", [lambda p: (p, p), lambda p: (z := jnp.zeros_like(p), z)])
def test_nor_do_those_of_a_rule_of_ones_own(init):
    tx = ro.leafwise(
        lambda g, m, v: (g, m, v), role="precondition", state=optax.ScaleByAdamState, init=init
    )
    assert not shared(PARAMS, tx.init(PARAMS))
