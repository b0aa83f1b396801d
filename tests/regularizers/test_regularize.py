"""regularize() finds the place: by the names of the parts, and by what the steps are."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro
from regopt_jax.interop import torch as rt

R = ro.l2(0.3)
RNG = np.random.default_rng(2)
W = {"kernel": RNG.normal(size=(3, 2)), "bias": RNG.normal(size=2)}
GRADS = [{"kernel": RNG.normal(size=(3, 2)), "bias": RNG.normal(size=2)} for _ in range(6)]
LABELS = {"kernel": "k", "bias": "b"}


def outline(tx):
    """The names of the parts; a composite as (name, its parts)."""
    return (tx.name, [outline(part) for part in tx.parts]) if tx.parts else tx.name


def run(tx, grads=GRADS):
    with jax.enable_x64(True):
        w = jax.tree.map(jnp.asarray, W)
        state, path, update = tx.init(w), [], jax.jit(tx.update)
        for g in grads:
            updates, state = update(jax.tree.map(jnp.asarray, g), state, w)
            w = ro.apply_updates(w, updates)
            path.append(jax.tree.map(np.asarray, w))
    return path


def same(a, b, rtol=1e-13):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-15), a, b)


LR, ADAM = "scale_by_learning_rate", "scale_by_adam"
adam, sgd, momentum = ro.adam(0.1), ro.sgd(0.1), ro.sgd(0.1, momentum=0.9)
rms = ro.rmsprop(0.1, momentum=0.9)
RMS = ["scale_by_rms", LR, "trace"]

COUPLED = {
    "sgd": (sgd, ("sgd", ["identity", "coupled", LR])),
    "momentum": (momentum, ("sgd", ["coupled", "trace", LR])),
    "rmsprop": (rms, ("rmsprop", ["coupled", *RMS])),
    "adam": (adam, ("adam", ["coupled", ADAM, LR])),
    "adamw": (ro.adamw(0.1), ("adamw", ["coupled", ADAM, "add_decayed_weights", LR])),
    "recommended": (
        ro.recommended(100),
        (
            "recommended",
            [
                "clip_by_global_norm",
                ("adamw", ["coupled", ADAM, ("masked", ["add_decayed_weights"]), LR]),
            ],
        ),
    ),
    "nested": (
        ro.chain(ro.chain(ro.clip(1.0), ro.clip(2.0)), ro.chain(adam, ro.scale(0.5))),
        (
            "chain",
            [("chain", ["clip", "clip"]), ("chain", [("adam", ["coupled", ADAM, LR]), "scale"])],
        ),
    ),
    "named_chain": (
        ro.named_chain(
            ("c", ro.clip(1.0)), ("moments", ro.scale_by_adam()), ("lr", ro.scale(-0.1))
        ),
        ("named_chain", ["clip", "coupled", ADAM, "scale"]),
    ),
    "accumulate": (ro.accumulate(adam, 2), ("accumulate", [("adam", ["coupled", ADAM, LR])])),
    "apply_if_finite": (
        ro.apply_if_finite(adam),
        ("apply_if_finite", [("adam", ["coupled", ADAM, LR])]),
    ),
    "accumulate after clipping": (
        ro.chain(ro.clip(1.0), ro.accumulate(momentum, 2)),
        ("chain", ["clip", ("accumulate", [("sgd", ["coupled", "trace", LR])])]),
    ),
    "masked": (ro.masked(adam, ro.select("kernel")), ("masked", [("adam", ["coupled", ADAM, LR])])),
    "partition": (
        ro.partition({"k": adam, "b": momentum}, LABELS),
        ("partition", [("adam", ["coupled", ADAM, LR]), ("sgd", ["coupled", "trace", LR])]),
    ),
    "primitive": (ro.scale(-0.1), ("chain", ["coupled", "scale"])),
}

DECOUPLED = {
    "sgd": (sgd, ("sgd", ["identity", "decoupled", LR])),
    "momentum": (momentum, ("sgd", ["trace", "decoupled", LR])),
    "rmsprop, the rate before the trace": (rms, ("chain", [("rmsprop", RMS), "decoupled"])),
    "rmsprop": (ro.rmsprop(0.1), ("rmsprop", ["scale_by_rms", "decoupled", LR, "identity"])),
    "adam": (adam, ("adam", [ADAM, "decoupled", LR])),
    "adamw": (ro.adamw(0.1), ("adamw", [ADAM, "add_decayed_weights", "decoupled", LR])),
    "recommended": (
        ro.recommended(100),
        (
            "recommended",
            [
                "clip_by_global_norm",
                ("adamw", [ADAM, ("masked", ["add_decayed_weights"]), "decoupled", LR]),
            ],
        ),
    ),
    "two rates": (
        ro.chain(ro.scale_by_adam(), ro.scale_by_schedule(lambda t: 0.5), ro.scale(-0.2)),
        ("chain", [ADAM, "decoupled", "scale_by_schedule", "scale"]),
    ),
    "nested": (
        ro.chain(ro.clip(1.0), ro.chain(adam, ro.scale(0.5))),
        ("chain", ["clip", ("chain", [("adam", [ADAM, "decoupled", LR]), "scale"])]),
    ),
    "named_chain": (
        ro.named_chain(("moments", ro.scale_by_adam()), ("lr", ro.scale(-0.1))),
        ("named_chain", [ADAM, "decoupled", "scale"]),
    ),
    "accumulate": (ro.accumulate(adam, 2), ("accumulate", [("adam", [ADAM, "decoupled", LR])])),
    "accumulate after clipping": (
        ro.chain(ro.clip(1.0), ro.accumulate(momentum, 2)),
        ("chain", ["clip", ("accumulate", [("sgd", ["trace", "decoupled", LR])])]),
    ),
    "masked": (
        ro.masked(adam, ro.select("kernel")),
        ("masked", [("adam", [ADAM, "decoupled", LR])]),
    ),
    "partition": (
        ro.partition({"k": adam, "b": momentum}, LABELS),
        ("partition", [("adam", [ADAM, "decoupled", LR]), ("sgd", ["trace", "decoupled", LR])]),
    ),
}


@pytest.mark.parametrize("name", COUPLED)
def test_coupled_stands_before_what_preconditions(name):
    tx, expected = COUPLED[name]
    assert outline(ro.regularize(tx, R, "coupled")) == expected


@pytest.mark.parametrize("name", DECOUPLED)
def test_decoupled_stands_after_it_and_before_the_rate(name):
    tx, expected = DECOUPLED[name]
    assert outline(ro.regularize(tx, R, "decoupled")) == expected


@pytest.mark.parametrize("name", COUPLED)
def test_proximal_stands_after_the_step(name):
    tx, _ = COUPLED[name]
    expected = ("proximal", [outline(tx)])
    if name in ("accumulate", "apply_if_finite"):
        expected = (name, [("proximal", [outline(tx.parts[0])])])
    elif name == "accumulate after clipping":
        expected = ("chain", ["clip", ("accumulate", [("proximal", [outline(momentum)])])])
    assert outline(ro.regularize(tx, R, "proximal")) == expected


@functools.cache
def run_plain(name):
    return run(COUPLED[name][0])


@pytest.mark.parametrize("how", ["coupled", "decoupled", "proximal"])
@pytest.mark.parametrize("name", COUPLED)
def test_the_result_runs_and_regularises(name, how):
    tx, _ = COUPLED[name]
    if how == "decoupled" and name == "primitive":
        how = "coupled"
    plain = run_plain(name)
    regular, none = (run(ro.regularize(tx, r, how)) for r in (R, ro.l2(0.0)))
    same(none[-1], plain[-1])
    changed = {key: not np.allclose(plain[-1][key], regular[-1][key], rtol=1e-9) for key in W}
    assert changed["kernel"]
    # Outside a mask a regulariser does not act, but for the proximal map, which has no mask.
    assert changed["bias"] == (name != "masked" or how == "proximal")


def test_the_original_is_left_as_it_was():
    ro.regularize(adam, R, "coupled")
    assert outline(adam) == ("adam", [ADAM, LR])


def test_the_names_of_a_chain_are_kept():
    tx = ro.named_chain(("a", ro.clip(1.0)), ("b", ro.scale_by_adam()), ("c", ro.scale(-0.1)))
    once = ro.regularize(tx, R, "decoupled")
    twice = ro.regularize(once, ro.l1(0.1), "decoupled")
    assert list(once.init({"w": jnp.ones(2)})) == ["a", "b", "decoupled", "c"]
    assert list(twice.init({"w": jnp.ones(2)})) == ["a", "b", "decoupled", "decoupled.1", "c"]
    inside = ro.regularize(ro.named_chain(("a", ro.clip(1.0)), ("b", adam)), R, "decoupled")
    assert list(inside.init({"w": jnp.ones(2)})) == ["a", "b"]
    assert outline(inside.parts[1]) == ("adam", [ADAM, "decoupled", LR])


def test_hyperparameters_are_kept():
    partition = ro.partition({"k": adam, "b": momentum}, LABELS)
    assert ro.regularize(partition, R, "coupled").hyperparams["param_labels"] is LABELS
    accumulate = ro.regularize(ro.accumulate(adam, 2, use_grad_mean=False), R, "coupled")
    given = {"every_k": 2, "use_grad_mean": False, "accumulator_dtype": jnp.float32}
    assert accumulate.hyperparams == {**given, "should_skip_update_fn": None}


# --- what the steps are -------------------------------------------------------------------

EQUAL = {
    "coupled adam": (
        ro.regularize(ro.adam(0.1), R, "coupled"),
        ro.chain(ro.coupled(R), ro.scale_by_adam(), ro.scale(-0.1)),
    ),
    "coupled after clipping": (
        ro.regularize(ro.chain(ro.clip(0.5), ro.adam(0.1)), R, "coupled"),
        ro.chain(ro.clip(0.5), ro.coupled(R), ro.scale_by_adam(), ro.scale(-0.1)),
    ),
    "decoupled adam is adamw": (
        ro.regularize(ro.adam(0.1), R, "decoupled"),
        ro.adamw(0.1, weight_decay=0.3),
    ),
    "coupled momentum": (
        ro.regularize(momentum, R, "coupled"),
        ro.chain(ro.coupled(R), ro.trace(0.9), ro.scale(-0.1)),
    ),
    "coupled rmsprop with momentum": (
        ro.regularize(rms, R, "coupled"),
        ro.chain(ro.coupled(R), ro.scale_by_rms(), ro.scale(-0.1), ro.trace(0.9)),
    ),
    "two rates": (
        ro.regularize(ro.chain(ro.scale_by_adam(), ro.scale(0.5), ro.scale(-0.2)), R, "decoupled"),
        ro.adamw(0.1, weight_decay=0.3),
    ),
    "on a selection": (
        ro.regularize(ro.adam(0.1), R.on(ro.select("kernel")), "decoupled"),
        ro.adamw(0.1, weight_decay=0.3, mask=ro.select("kernel")),
    ),
    "on a selection in a partition": (
        ro.regularize(
            ro.partition({"k": ro.sgd(0.1), "b": ro.sgd(0.2)}, LABELS),
            R.on(ro.select("kernel")),
            "decoupled",
        ),
        ro.partition(
            {"k": ro.chain(ro.add_decayed_weights(0.3), ro.sgd(0.1)), "b": ro.sgd(0.2)}, LABELS
        ),
    ),
    "masked": (
        ro.regularize(ro.masked(ro.adam(0.1), ro.select("kernel")), R, "decoupled"),
        ro.masked(ro.adamw(0.1, weight_decay=0.3), ro.select("kernel")),
    ),
    "accumulate": (
        ro.regularize(ro.accumulate(ro.adam(0.1), 2), R, "decoupled"),
        ro.accumulate(ro.adamw(0.1, weight_decay=0.3), 2),
    ),
}


@pytest.mark.parametrize("name", EQUAL)
def test_equals_the_chain_written_out(name):
    regularized, by_hand = EQUAL[name]
    same(run(regularized), run(by_hand))


@pytest.mark.parametrize("scheduled", [False, True])
def test_decoupled_under_a_rate_that_comes_before_the_trace(scheduled):
    """W ← W + v - αₜλW with v ← ρv - αₜ g/(√r + ε): no moment sees the decay."""
    rate = (lambda t: 0.1 - 0.01 * t) if scheduled else (lambda t: 0.1)
    learning_rate = ro.linear_schedule(0.1, 0.0, 10) if scheduled else 0.1
    path = run(ro.regularize(ro.rmsprop(learning_rate, momentum=0.9), R, "decoupled"))
    for key in W:
        w, r, v = W[key], 0.0, 0.0
        for t, grads in enumerate(GRADS):
            r = 0.99 * r + 0.01 * grads[key] ** 2
            v = 0.9 * v - rate(t) * grads[key] / (np.sqrt(r) + 1e-8)
            w = w + v - rate(t) * 0.3 * w
            np.testing.assert_allclose(path[t][key], w, rtol=1e-12)


ZERO = [{"kernel": np.zeros((3, 2)), "bias": np.zeros(2)}] * 4


@pytest.mark.parametrize(
    ("tx", "peak", "shares"),
    [
        (ro.sgd(0.1), None, [1, 1, 1, 1]),
        (ro.adam(0.002), None, [1, 1, 1, 1]),
        (ro.chain(ro.scale_by_adam(), ro.scale(0.5), ro.scale(-0.02)), None, [1, 1, 1, 1]),
        (ro.adam(ro.linear_schedule(0.2, 0.0, 4)), 0.2, [1, 0.75, 0.5, 0.25]),
        (ro.rmsprop(ro.linear_schedule(0.2, 0.0, 4), momentum=0.9), 0.2, [1, 0.75, 0.5, 0.25]),
    ],
)
def test_independent_decay_does_not_depend_on_the_learning_rate(tx, peak, shares):
    path = run(ro.regularize(tx, R, "independent", peak=peak), ZERO)
    left = np.cumprod([1 - 0.3 * share for share in shares])
    for w, share in zip(path, left, strict=True):
        same(w, {key: share * W[key] for key in W}, rtol=1e-12)


def test_independent_decay_under_a_schedule_needs_its_peak():
    with pytest.raises(ValueError, match="needs peak="):
        ro.regularize(ro.adam(ro.linear_schedule(0.2, 0.0, 4)), R, "independent")
    with pytest.raises(ValueError, match=r"peak must be in \(0, inf\)"):
        ro.regularize(adam, R, "independent", peak=0.0)


def test_cautious_decay():
    with jax.enable_x64(True):
        tx = ro.regularize(ro.sgd(0.1), R, "cautious")
        w, g = np.array([1.0, 1.0, -1.0]), np.array([2.0, -2.0, -2.0])
        updates, _ = tx.update(jnp.asarray(g), tx.init(jnp.asarray(w)), jnp.asarray(w))
    np.testing.assert_allclose(updates, [-0.23, 0.2, 0.23], rtol=1e-12)


def test_constant_norm_is_a_meaning_of_l2_only():
    path = run(ro.regularize(adam, R.on(ro.select("kernel")), "constant_norm"))
    np.testing.assert_allclose(np.linalg.norm(path[-1]["kernel"]), np.linalg.norm(W["kernel"]))
    assert not np.isclose(np.linalg.norm(path[-1]["bias"]), np.linalg.norm(W["bias"]))
    with pytest.raises(ValueError, match="constant_norm keeps weights on a sphere"):
        ro.regularize(adam, ro.l1(0.1), "constant_norm")


# --- errors -------------------------------------------------------------------------------


def test_an_unknown_place():
    with pytest.raises(ValueError, match=r"how must be one of \[.*'decoupled'.*\], got 'before'"):
        ro.regularize(adam, R, "before")


def test_no_metric():
    with pytest.raises(ValueError, match=r"proximal: optax\.scale_by_adam has no metric"):
        ro.regularize(ro.chain(optax.scale_by_adam(), ro.scale(-0.1)), R, "proximal")


def test_decoupled_decay_under_optimism_is_scaled_by_the_learning_rate():
    tx = ro.regularize(ro.optimistic_adam(0.01), R, "decoupled")
    w = jnp.array([1.0, -2.0])
    updates, _ = tx.update(jnp.zeros(2), tx.init(w), w)
    np.testing.assert_allclose(updates, -0.01 * 0.3 * w, rtol=1e-6)


def test_coupled_decay_of_a_maximiser_joins_after_its_sign():
    mine = ro.regularize(rt.sgd(0.1, maximize=True), R, "coupled")
    same(run(mine), run(rt.sgd(0.1, weight_decay=0.3, maximize=True)))


SIZELESS = [
    ro.scale_by_adam(),
    ro.chain(ro.clip(1.0), ro.trace(0.9)),
    ro.rprop(0.1),
    rt.rprop(0.1, maximize=True),
    ro.madgrad(0.1),
]


@pytest.mark.parametrize("tx", SIZELESS)
def test_no_learning_rate(tx):
    with pytest.raises(ValueError, match="has no learning rate to scale a decoupled regulariser"):
        ro.regularize(tx, R, "decoupled")


def test_nothing_to_couple_to():
    with pytest.raises(ValueError, match="chain only filters the gradient"):
        ro.regularize(ro.chain(ro.clip(1.0), ro.identity()), R, "coupled")


def test_not_a_transformation():
    with pytest.raises(TypeError, match="Did you forget to call"):
        ro.regularize(ro.adam, R, "coupled")


@pytest.mark.parametrize("how", ["coupled", "decoupled"])
def test_what_has_no_gradient(how):
    with pytest.raises(ValueError, match="use proximal"):
        ro.regularize(adam, ro.nonnegative(), how)


def test_decay_stands_before_a_plateau_whose_factor_it_gets():
    plateau = ro.reduce_on_plateau(factor=0.5, patience=1)
    for tx in (
        ro.chain(ro.scale_by_adam(), plateau, ro.scale_by_learning_rate(0.1)),
        ro.chain(ro.scale_by_adam(), ro.scale_by_learning_rate(0.1), plateau),
        ro.chain(ro.adam(0.1), plateau),
    ):
        decayed = ro.regularize(tx, R, "decoupled")
        order = [part.tx.name for part in ro.walk(decayed) if not part.tx.parts]
        assert order.index("decoupled") == order.index("scale_by_adam") + 1


def test_a_plateau_alone_sets_no_step_size():
    with pytest.raises(ValueError, match="no learning rate"):
        ro.regularize(ro.chain(ro.scale_by_adam(), ro.reduce_on_plateau()), R, "decoupled")


def test_decay_that_joins_after_a_moment_gets_the_factor_of_a_later_plateau_once():
    tx = ro.chain(ro.scale(-0.1), ro.trace(0.9), ro.reduce_on_plateau())
    decayed = ro.regularize(tx, R, "decoupled")
    assert [part.name for part in decayed.parts] == [
        "scale", "trace", "decoupled", "reduce_on_plateau",
    ]  # fmt: skip
    w = {"w": jnp.array(2.0)}
    zero = jax.tree.map(jnp.zeros_like, w)
    updates, _ = decayed.update(zero, decayed.init(w), w, value=1.0)
    assert float(updates["w"]) == pytest.approx(-0.1 * 0.3 * 2.0)
