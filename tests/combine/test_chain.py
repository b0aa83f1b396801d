import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro

PARAMS = {"w": jnp.array([1.0, -2.0, 3.0]), "b": jnp.array(0.5)}
GRADS = {"w": jnp.array([0.3, 4.0, -0.2]), "b": jnp.array(-1.5)}


def test_parts_run_in_order():
    tx = ro.chain(ro.scale(2.0), ro.clip(1.0), ro.scale(-3.0))
    updates, _ = tx.update(GRADS, tx.init(PARAMS))
    np.testing.assert_allclose(updates["w"], [-1.8, -3.0, 1.2], rtol=1e-6)


def test_ours_and_theirs_mix():
    mixed = ro.chain(optax.clip(1.0), ro.trace(0.9), optax.scale(-0.1))
    theirs = optax.chain(ro.clip(1.0), optax.trace(0.9), ro.scale(-0.1))
    a, b = mixed.init(PARAMS), theirs.init(PARAMS)
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for _ in range(2):
        u, a = mixed.update(GRADS, a, PARAMS)
        v, b = theirs.update(GRADS, b, PARAMS)
        # Ours is compiled even outside jit, theirs is not: a fused multiply-add apart.
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=3e-7), u, v)
    assert [part.name for part in mixed.parts] == ["optax.clip", "trace", "optax.scale"]


def test_an_empty_chain_is_the_identity():
    tx = ro.chain()
    updates, state = tx.update(GRADS, tx.init(PARAMS), PARAMS)
    assert state == ()
    jax.tree.map(np.testing.assert_array_equal, updates, GRADS)
    assert jax.tree.leaves(tx.metric(state, PARAMS)) == [1.0, 1.0]


def test_extra_arguments_reach_the_parts_that_take_them():
    def update(updates, state, params=None, *, value, **_):
        return jax.tree.map(lambda u: u * value, updates), state

    takes = optax.GradientTransformationExtraArgs(lambda p: optax.EmptyState(), update)
    plain = optax.GradientTransformation(lambda p: optax.EmptyState(), lambda u, s, p=None: (u, s))
    for tx in (ro.chain(plain, takes), ro.named_chain(("plain", plain), ("takes", takes))):
        updates, _ = tx.update(GRADS, tx.init(PARAMS), PARAMS, value=2.0, unused=1)
        assert float(updates["b"]) == -3.0


@pytest.mark.parametrize("size", [1, 3])
def test_a_state_of_another_length(size):
    tx = ro.chain(ro.trace(0.9), ro.scale(-0.1))
    wrong = (tx.init(PARAMS) * 2)[:size]
    with pytest.raises(
        ValueError, match=rf"has {size} parts but the chain has 2 parts \(trace, scale\)"
    ):
        tx.update(GRADS, wrong)


def test_a_state_that_is_no_tuple():
    tx = ro.chain(ro.trace(0.9), ro.scale(-0.1))
    with pytest.raises(ValueError, match="the state is a ArrayImpl but the chain has 2 parts"):
        tx.update(GRADS, jnp.ones(()))


def test_the_state_of_another_part():
    tx = ro.chain(ro.trace(0.9), ro.scale(-0.1))
    swapped = tx.init(PARAMS)[::-1]
    with pytest.raises(TypeError, match="trace: the state is a EmptyState, not the TraceState"):
        tx.update(GRADS, swapped)


@pytest.mark.parametrize("wrong", [ro.sgd, 0.1, None, (1, 2)])
def test_not_a_transformation(wrong):
    with pytest.raises(TypeError, match="Did you forget to call the function that makes it"):
        ro.chain(ro.clip(1.0), wrong)
    with pytest.raises(TypeError, match="Expected a gradient transformation"):
        ro.named_chain(("clip", ro.clip(1.0)), ("wrong", wrong))


def test_a_list_is_to_be_unpacked():
    with pytest.raises(TypeError, match=r"Unpack it: chain\(\*transformations\)\.$"):
        ro.chain([ro.clip(1.0), optax.scale(-0.1)])


def test_what_is_not_ours_prints_as_opaque():
    tx = ro.chain(ro.clip(1.0), optax.adam(1e-3))
    assert repr(tx) == "chain(clip(max_delta=1), optax.chain (opaque))"


@pytest.mark.parametrize(
    ("called", "tx"),
    [
        ("adamw", ro.adamw(0.1)),
        ("adamw", ro.apply_if_finite(ro.adamw(0.1))),
        ("add_decayed_weights", ro.add_decayed_weights(0.1)),
        ("add_decayed_weights", ro.chain(ro.scale_by_adam(), ro.add_decayed_weights(0.1))),
        ("decoupled", ro.regularize(ro.sgd(0.1), ro.l2(0.1), "decoupled").parts[1]),
    ],
)
def test_missing_parameters_are_missed_by_what_was_called(called, tx):
    with pytest.raises(ValueError, match=f"^{called}: the parameters are needed"):
        jax.eval_shape(tx.update, GRADS, tx.init(PARAMS))


def test_named_chain_equals_optax_in_update_and_state():
    pairs = (("clip", optax.clip(1.0)), ("adam", optax.scale_by_adam()), ("lr", optax.scale(-0.1)))
    ours = ro.named_chain(
        ("clip", ro.clip(1.0)), ("adam", ro.scale_by_adam()), ("lr", ro.scale(-0.1))
    )
    theirs = optax.named_chain(*pairs)
    with jax.enable_x64(True):
        params, grads = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), (PARAMS, GRADS))
        a, b = ours.init(params), theirs.init(params)
        for _ in range(3):
            assert jax.tree.structure(a) == jax.tree.structure(b)
            u, a = ours.update(grads, a, params)
            with jax.numpy_dtype_promotion("standard"):
                v, b = theirs.update(grads, b, params)
            jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-12), (u, a), (v, b))


def test_repeated_names():
    with pytest.raises(ValueError, match=r"names must be unique, but \['a'\] are repeated"):
        ro.named_chain(("a", ro.clip(1.0)), ("b", ro.clip(1.0)), ("a", ro.scale(1.0)))


def test_a_state_that_lacks_a_name():
    tx = ro.named_chain(("a", ro.clip(1.0)), ("b", ro.scale(1.0)))
    state = tx.init(PARAMS)
    del state["b"]
    with pytest.raises(ValueError, match=r"the state has \['a'\] but lacks \['b'\]"):
        tx.update(GRADS, state)


def test_the_metric_is_the_product():
    tx = ro.chain(ro.scale(0.5), ro.scale_by_learning_rate(0.1))
    metric = tx.metric(tx.init(PARAMS), PARAMS)
    np.testing.assert_allclose(metric["w"], 20.0, rtol=1e-6)
    assert ro.chain(ro.scale(0.5), optax.scale(0.1)).metric is None


# --- Optax's readers of states ------------------------------------------------------------

TRANSFORMS = {
    "adam": (ro.adam(0.1), optax.adam(0.1)),
    "momentum": (ro.sgd(0.1, momentum=0.9), optax.sgd(0.1, momentum=0.9)),
    "nested": (
        ro.chain(ro.clip(1.0), ro.adamw(0.1)),
        optax.chain(optax.clip(1.0), optax.adamw(0.1)),
    ),
    "masked": (
        ro.masked(ro.adam(0.1), {"w": True, "b": False}),
        optax.masked(optax.adam(0.1), {"w": True, "b": False}),
    ),
    "masked by a selector": (
        ro.masked(ro.adam(0.1), ro.select("w")),
        optax.masked(optax.adam(0.1), {"w": True, "b": False}),
    ),
    "partition": (
        ro.partition({"x": ro.adam(0.1), "y": ro.sgd(0.1)}, {"w": "x", "b": "y"}),
        optax.partition({"x": optax.adam(0.1), "y": optax.sgd(0.1)}, {"w": "x", "b": "y"}),
    ),
    "partition by rank": (
        ro.partition(
            {"x": ro.adam(0.1), "y": ro.sgd(0.1)},
            ro.label_by({"x": ro.select(ndim=1)}, default="y"),
        ),
        optax.partition({"x": optax.adam(0.1), "y": optax.sgd(0.1)}, {"w": "x", "b": "y"}),
    ),
    "accumulate": (
        ro.accumulate(ro.adam(0.1), 2),
        optax.MultiSteps(optax.adam(0.1), 2).gradient_transformation(),
    ),
    "apply_if_finite": (
        ro.apply_if_finite(ro.adam(0.1)),
        optax.apply_if_finite(optax.adam(0.1), 3),
    ),
    "proximal": (ro.proximal(ro.adam(0.1), ro.l1(0.1)), optax.adam(0.1)),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_map_params_finds_the_slots_of_the_parameters(name):
    ours, theirs = TRANSFORMS[name]

    def number(tx):
        state = tx.init(PARAMS)
        return optax.tree.map_params(
            tx, lambda x: x + 7.0, state, transform_non_params=lambda x: jnp.full_like(x, 1)
        )

    a, b = number(ours), number(theirs)
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(np.testing.assert_array_equal, a, b)
    assert any(float(jnp.max(x)) == 7.0 for x in jax.tree.leaves(a))


def test_map_params_with_a_tree_beside():
    tx = ro.chain(ro.clip(1.0), ro.scale_by_adam())
    state = optax.tree.map_params(tx, lambda slot, p: slot + p, tx.init(PARAMS), PARAMS)
    jax.tree.map(np.testing.assert_array_equal, state[1].mu, PARAMS)


@pytest.mark.parametrize("name", ["adam", "nested", "masked", "apply_if_finite", "proximal"])
def test_get_and_set(name):
    tx, _ = TRANSFORMS[name]
    state = tx.init(PARAMS)
    _, state = tx.update(GRADS, state, PARAMS)
    assert int(optax.tree.get(state, "count")) == 1
    seen = jnp.clip(GRADS["w"], -1.0, 1.0) if name == "nested" else GRADS["w"]
    np.testing.assert_allclose(optax.tree.get(state, "mu")["w"], 0.1 * seen, rtol=1e-6)
    state = optax.tree.set(state, count=jnp.asarray(5, jnp.int32))
    assert int(optax.tree.get(state, "count")) == 5
    _, after = tx.update(GRADS, state, PARAMS)
    assert int(optax.tree.get(after, "count")) == 6


def test_get_of_a_partition():
    tx, _ = TRANSFORMS["partition"]
    found = optax.tree.get_all_with_path(tx.init(PARAMS), "mu")
    assert [jax.tree.map(jnp.shape, mu) for _, mu in found] == [
        {"w": (3,), "b": optax.MaskedNode()}
    ]
