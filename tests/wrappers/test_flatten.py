import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro

PARAMS = {"w": jnp.array([[1.0, -2.0], [3.0, 0.5]]), "b": jnp.array(0.5), "n": None}
GRADS = {"w": jnp.array([[0.3, 4.0], [-0.2, 0.1]]), "b": jnp.array(-1.5), "n": None}


def run(tx, steps=3):
    params, state = PARAMS, tx.init(PARAMS)
    for _ in range(steps):
        updates, state = jax.jit(tx.update)(GRADS, state, params)
        params = ro.apply_updates(params, updates)
    return params


def close(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), a, b)


@pytest.mark.parametrize("inner", [
    ro.adamw(0.1), ro.sgd(0.1, 0.9), ro.chain(ro.clip_by_global_norm(1.0), ro.lion(0.1)),
], ids=repr)  # fmt: skip
def test_the_same_as_without_it(inner):
    close(run(ro.flatten(inner)), run(inner))


def test_what_works_on_each_array_sees_one_vector():
    tx = ro.constant_norm(ro.sgd(0.1))
    flat = ro.flatten(tx)
    assert not flat.elementwise
    before, after = ro.global_norm(PARAMS), ro.global_norm(run(flat))
    np.testing.assert_allclose(after, before, rtol=1e-5)
    assert not np.allclose(run(flat)["w"], run(tx)["w"])


def test_a_missing_gradient_counts_as_zeros():
    tx = ro.flatten(ro.adam(0.1))
    _, state = tx.update(GRADS, tx.init(PARAMS), PARAMS)
    updates, missing = tx.update(GRADS | {"b": None}, state, PARAMS)
    _, zero = tx.update(GRADS | {"b": jnp.array(0.0)}, state, PARAMS)
    assert updates["b"] is None
    close(missing, zero)


def test_mixed_dtypes_come_back():
    params = {"a": jnp.ones(2, jnp.bfloat16), "b": jnp.ones(3), "c": jnp.ones(1, jnp.complex64)}
    tx = ro.flatten(ro.sgd(0.5, 0.9))
    updates, state = tx.update(params, tx.init(params), params)
    assert {k: u.dtype for k, u in updates.items()} == {k: p.dtype for k, p in params.items()}
    assert state[0].trace.dtype == jnp.complex64


def test_its_metric_has_the_shapes_of_the_tree():
    tx, plain = ro.flatten(ro.adam(0.1)), ro.adam(0.1)
    r = ro.l1(0.5).on(ro.select("w"))
    close(run(ro.proximal(tx, r)), run(ro.proximal(plain, r)))


def test_a_regulariser_is_not_put_inside():
    tx = ro.flatten(ro.adam(0.1))
    with pytest.raises(ValueError, match="flatten: its vector has lost the paths"):
        ro.regularize(tx, ro.l2(0.1).on(ro.select("w")), "coupled")
    assert float(ro.learning_rate(tx, tx.init(PARAMS))) == np.float32(0.1)


def test_a_tree_without_leaves():
    tx = ro.flatten(ro.adam(0.1))
    updates, _ = tx.update({}, tx.init({}), {})
    assert updates == {}
