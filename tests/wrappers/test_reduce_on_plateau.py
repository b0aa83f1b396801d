import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro

W = {"w": jnp.array([1.0, -2.0]), "b": jnp.array(0.5)}
RNG = np.random.default_rng(0)
LOSSES = {
    "noisy": 1.0 + 0.3 * RNG.normal(size=60),
    "falling, then flat": np.maximum(np.linspace(3.0, 0.0, 60), 2.0),
    "rising": np.linspace(0.0, 1.0, 60),
    "negative": -np.minimum(np.arange(60.0), 20.0),
}
SETTINGS = {
    "defaults": {},
    "quick": {"patience": 2, "factor": 0.5},
    "cooldown": {"patience": 1, "cooldown": 4, "factor": 0.5},
    "means": {"patience": 2, "accumulation_size": 5, "cooldown": 1},
    "floor": {"patience": 1, "factor": 0.5, "min_scale": 0.1},
    "absolute": {"patience": 3, "rtol": 0.0, "atol": 0.05},
}


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())
@pytest.mark.parametrize("losses", LOSSES.values(), ids=LOSSES.keys())
def test_scales_and_states_are_those_of_optax(setting, losses):
    def run(tx):
        def one(state, value):
            updates, state = tx.update(W, state, W, value=value)
            return state, (updates, state)

        return jax.lax.scan(one, tx.init(W), jnp.asarray(losses, jnp.float32))[1]

    with jax.numpy_dtype_promotion("standard"):
        theirs = run(optax.contrib.reduce_on_plateau(**setting))
    ours = run(ro.reduce_on_plateau(**setting, signed_margin=True))
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), ours, theirs)


@pytest.mark.parametrize("eps", [0.0, 0.06])
@pytest.mark.parametrize("cooldown", [0, 3])
@pytest.mark.parametrize("patience", range(4))
@pytest.mark.parametrize("losses", LOSSES.values(), ids=LOSSES.keys())
def test_one_more_patience_is_pytorchs(losses, patience, cooldown, eps):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    settings = {"factor": 0.5, "cooldown": cooldown, "eps": eps}
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=patience, **settings)
    tx = ro.reduce_on_plateau(patience=patience + 1, **settings, signed_margin=True)
    state = tx.init(W)
    for loss in losses:
        scheduler.step(float(loss))
        _, state = tx.update(W, state, W, value=loss)
        assert float(state.scale) == scheduler.get_last_lr()[0]


def scales(tx, values):
    state, seen = tx.init(W), []
    for value in values:
        _, state = tx.update(W, state, W, value=value)
        seen.append(float(state.scale))
    return seen


@pytest.mark.parametrize("level", [-1.0, -1e6, -1e-6, 0.0, 1.0])
@pytest.mark.parametrize("tolerance", [{"rtol": 1e-3}, {"rtol": 1.0}, {"rtol": 0.0, "atol": 1e-9}])
def test_a_value_that_stays_anywhere_reduces(level, tolerance):
    """Such as a log-likelihood; Optax and PyTorch take every value below zero for a better one."""
    tx = ro.reduce_on_plateau(patience=2, factor=0.5, **tolerance)
    assert scales(tx, [level] * 5) == [1.0, 1.0, 0.5, 0.5, 0.25]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_relative_margin_is_a_part_of_the_size(sign):
    tx = ro.reduce_on_plateau(patience=1, factor=0.5, rtol=0.125)
    better, no_better = 1 - sign * 0.126, 1 - sign * 0.124
    assert scales(tx, [sign, sign * better]) == [1.0, 1.0]
    assert scales(tx, [sign, sign * no_better]) == [1.0, 0.5]


def test_without_patience_every_mean_that_is_no_better_reduces():
    """Optax reduces at every mean that is better, and never on a plateau."""
    tx = ro.reduce_on_plateau(patience=0, factor=0.5)
    assert scales(tx, (3.0, 2.0, 2.0, 1.0, 4.0)) == [1.0, 1.0, 0.5, 0.5, 0.25]


def test_each_setting_reduces_somewhere():
    for setting in SETTINGS.values():
        tx = ro.reduce_on_plateau(**setting)
        state = tx.init(W)
        for value in LOSSES["rising"]:
            _, state = tx.update(W, state, W, value=value)
        assert float(state.scale) < 1


def test_a_small_improvement_of_bfloat16_parameters_is_seen():
    """Optax keeps the best value in bfloat16, in which 1.0 and 0.999 are equal."""
    w = jnp.ones(2, jnp.bfloat16)
    tx = ro.reduce_on_plateau(patience=1)
    state = tx.init(w)
    for value in (1.0, 0.999, 0.998, 0.997):
        updates, state = tx.update(w, state, w, value=jnp.float32(value))
        assert updates.dtype == jnp.bfloat16
    assert float(state.scale) == 1.0


def test_the_value_is_required():
    tx = ro.reduce_on_plateau()
    with pytest.raises(TypeError, match="value=loss"):
        tx.update(W, tx.init(W), W)


def test_both_tolerances_cannot_be_zero():
    with pytest.raises(ValueError, match="one of rtol and atol must be positive"):
        ro.reduce_on_plateau(rtol=0.0, atol=0.0)


def test_a_training_step_gives_the_loss_and_reports_the_scaled_rate():
    tx = ro.chain(ro.sgd(0.5), ro.reduce_on_plateau(factor=0.5, patience=1, rtol=0.9))
    step = ro.train_step(lambda p: 1.0 + p["b"] ** 2, tx)
    state, rates = ro.TrainState.create(W, tx), []
    for _ in range(4):
        state, metrics = step(state)
        rates.append(float(metrics["learning_rate"]))
    assert rates == [0.5, 0.5, 0.25, 0.125]


def test_the_proximal_map_takes_the_scaled_step():
    tx = ro.proximal(
        ro.chain(ro.sgd(1.0), ro.reduce_on_plateau(factor=0.5, patience=1)), ro.l1(0.1)
    )
    state, w, seen = tx.init(W), W, []
    zeros = jax.tree.map(jnp.zeros_like, W)
    for _ in range(2):
        updates, state = tx.update(zeros, state, w, value=1.0)
        seen.append(round(float(updates["b"]), 4))
    assert seen == [-0.1, -0.05]
