"""Haiku's parameters: two levels of dicts, the first key itself a path with slashes."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro

X = jnp.asarray(np.random.default_rng(0).normal(size=(32, 4)), jnp.float32)
Y = jnp.sin(X[:, :1])


def as_haiku_writes_them():
    w = np.random.default_rng(1)
    shapes = {"mlp/~/linear_0": (4, 8), "mlp/~/linear_1": (8, 1)}
    return {
        name: {"w": jnp.asarray(w.normal(0, 0.5, shape), jnp.float32), "b": jnp.zeros(shape[1])}
        for name, shape in shapes.items()
    }


def apply(params, x):
    first, second = params["mlp/~/linear_0"], params["mlp/~/linear_1"]
    return jnp.tanh(x @ first["w"] + first["b"][None]) @ second["w"] + second["b"][None]


def fit(tx, params, apply=apply, steps=60):
    step = ro.train_step(lambda p, x, y: jnp.mean(jnp.square(apply(p, x) - y)), tx)
    state, losses = ro.TrainState.create(params, tx), []
    for _ in range(steps):
        state, metrics = step(state, X, Y)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.5 * losses[0]
    return state.params, losses


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [
        ("**/w", {"linear_0/w", "linear_1/w"}),
        ("mlp/~/linear_0/*", {"linear_0/b", "linear_0/w"}),
        ("**/linear_1/w", {"linear_1/w"}),
        ("mlp/**", {"linear_0/b", "linear_0/w", "linear_1/b", "linear_1/w"}),
    ],
)
def test_the_slashes_of_a_key_part_it(pattern, chosen):
    mask = ro.select(pattern)(as_haiku_writes_them())
    found = {f"{k}/{n}" for k, leaves in mask.items() for n, on in leaves.items() if on}
    assert {name.removeprefix("mlp/~/") for name in found} == chosen


def test_decay_by_path_equals_optax_with_a_mask():
    params = as_haiku_writes_them()
    ours = ro.adamw(0.02, weight_decay=0.3, mask=ro.select("**/w"))
    mask = {name: {"w": True, "b": False} for name in params}
    with jax.numpy_dtype_promotion("standard"):
        _, expected = fit(optax.adamw(0.02, weight_decay=0.3, mask=mask), params)
    np.testing.assert_allclose(fit(ours, params)[1], expected, rtol=1e-5)


def test_a_model_of_haiku():
    hk = pytest.importorskip("haiku", reason="Haiku is optional")
    net = hk.without_apply_rng(hk.transform(lambda x: hk.nets.MLP([8, 1], activation=jnp.tanh)(x)))
    params = net.init(jax.random.key(0), X)
    assert jax.tree.structure(params) == jax.tree.structure(as_haiku_writes_them())
    R = ro.l1(0.02).on(ro.select("**/linear_0/w"))
    with jax.numpy_rank_promotion("allow"):
        trained, _ = fit(ro.proximal(ro.adam(0.02), R), params, net.apply)
    zeros = {name: int(np.sum(np.asarray(p["w"]) == 0)) for name, p in trained.items()}
    assert 0 < zeros["mlp/~/linear_0"] < 32
    assert zeros["mlp/~/linear_1"] == 0
