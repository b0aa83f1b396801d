import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro

PARAMS = {"w": jnp.array([1.0, -2.0]), "b": jnp.array(0.5)}
STREAM = [jax.tree.map(lambda x, s=s: s * x, PARAMS) for s in (1.0, -3.0, 0.5)]


def large(updates):
    return ro.global_norm(updates) > 3.0


def everything(tree):
    return tree


MEASURES = {
    "norm": ro.global_norm,
    "large": ro.measure_with_ema(large, 0.9),
    "raw": ro.measure_with_ema(ro.global_norm, 0.5, debias=False),
    "mean": ro.measure_with_ema(everything, 0.5),
    "second": ro.scale_by_rms(),
}
OPTAX = {
    "norm": ro.global_norm,
    "large": optax.measure_with_ema(large, 0.9),
    "raw": optax.measure_with_ema(ro.global_norm, 0.5, debias=False),
    "mean": optax.measure_with_ema(everything, 0.5),
    "second": ro.scale_by_rms(),
}


def close(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), a, b)


def test_measurements_are_those_of_optax():
    ours, theirs = ro.monitor(MEASURES), optax.monitor(OPTAX)
    a, b = ours.init(PARAMS), theirs.init(PARAMS)
    for grads in STREAM:
        updates, a = jax.jit(ours.update)(grads, a, PARAMS)
        with jax.numpy_dtype_promotion("standard"):
            _, b = theirs.update(grads, b, PARAMS)
        close(updates, grads)
        close(a, b)
    close(ours.update(grads, b, PARAMS), ours.update(grads, a, PARAMS))


def test_in_a_scan_unlike_optaxs():
    """Whose state gains the measurements at the first update."""
    steps = jax.tree.map(lambda *x: jnp.stack(x), *STREAM)

    def last(tx):
        body = lambda state, g: (tx.update(g, state, PARAMS)[1], None)  # noqa: E731
        return jax.lax.scan(body, tx.init(PARAMS), steps)[0]

    found = last(ro.monitor(MEASURES))
    np.testing.assert_allclose(optax.tree.get(found, "norm"), ro.global_norm(STREAM[-1]), rtol=1e-6)
    with pytest.raises(TypeError, match="carry"):
        last(optax.monitor({"norm": ro.global_norm}))


@pytest.mark.parametrize("name", ["norm", "count"])
def test_snapshots_are_those_of_optax(name):
    def measure(updates):
        return ro.global_norm(updates) if name == "norm" else len(jax.tree.leaves(updates))

    ours, theirs = ro.snapshot(name, measure), optax.snapshot(name, measure)
    a, b = ours.init(PARAMS), theirs.init(PARAMS)
    close(a, b)
    for grads in STREAM:
        updates, a = ours.update(grads, a, PARAMS)
        _, b = theirs.update(grads, b, PARAMS)
        close((updates, a), (grads, b))
    assert not optax.tree.get(a, name).weak_type


def test_measurements_of_packed_parameters_are_of_the_tree():
    def kernels_only(tree):
        return ro.global_norm(tree["w"])

    tx = ro.chain(ro.snapshot("w", kernels_only), ro.sgd(0.1))
    step = ro.train_step(lambda p: jnp.sum(p["w"] ** 2) + p["b"] ** 2, tx, pack=True, donate=False)
    state, _ = step(ro.TrainState.create(PARAMS, tx))
    assert isinstance(state.params, ro.Packed)
    np.testing.assert_allclose(optax.tree.get(state.opt_state, "w"), 2 * np.sqrt(5), rtol=1e-6)


def test_a_proximal_map_and_a_regulariser_see_through_them():
    tx = ro.chain(ro.snapshot("n", ro.global_norm), ro.sgd(0.1), ro.monitor(MEASURES))
    prox = ro.proximal(tx, ro.l1(1.0))
    updates, _ = prox.update(jax.tree.map(jnp.zeros_like, PARAMS), prox.init(PARAMS), PARAMS)
    np.testing.assert_allclose(updates["w"], [-0.1, 0.1], rtol=1e-6)
    coupled = ro.regularize(tx, ro.l2(0.1), "coupled")
    assert coupled.parts[0].name == "snapshot"
