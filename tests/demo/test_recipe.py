"""Every choice of the command line makes a transformation that steps."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro
from regopt_jax.demo import cli, recipe
from regopt_jax.demo.errors import DemoError
from regopt_jax.demo.settings import settings_of

STEPS = 70
PARAMS = {"Dense_0": {"kernel": jnp.full((3, 2), 0.5), "bias": jnp.full(2, 0.5)}}


def settings(*flags):
    return settings_of(cli.parser().parse_args(["train", *flags]))


@pytest.mark.parametrize("placement", recipe.PLACEMENTS)
@pytest.mark.parametrize("optimizer", recipe.OPTIMIZERS)
def test_every_optimiser_takes_a_regulariser_at_every_place(optimizer, placement):
    flags = ["--optimizer", optimizer, "--regularizer", "l2", "--placement", placement]
    tx = recipe.transformation(settings(*flags), STEPS)
    state, update = tx.init(PARAMS), jax.jit(tx.update)
    grads = {"Dense_0": {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)}}
    for _ in range(5):
        updates, state = update(grads, state, PARAMS)
    moved = ro.apply_updates(PARAMS, updates)
    assert np.all(np.asarray(moved["Dense_0"]["kernel"]) < 0.5)
    assert np.all(np.asarray(moved["Dense_0"]["bias"]) < 0.5)


@pytest.mark.parametrize("regularizer", recipe.REGULARIZERS)
def test_every_regulariser_acts_on_kernels_alone(regularizer):
    flags = ["--optimizer", "adam", "--regularizer", regularizer]
    flags += [] if regularizer == "nonnegative" else ["--strength", "1e3"]
    tx = recipe.transformation(settings(*flags), STEPS)
    state, update = tx.init(PARAMS), jax.jit(tx.update)
    params = {"Dense_0": {"kernel": -PARAMS["Dense_0"]["kernel"], "bias": jnp.full(2, -0.5)}}
    grads = {"Dense_0": {"kernel": jnp.full((3, 2), 1e-3), "bias": jnp.zeros(2)}}
    for _ in range(5):
        updates, state = update(grads, state, params)
    moved = ro.apply_updates(params, updates)["Dense_0"]
    # Beyond l2, a strength this large (or a constraint) leaves nothing below zero.
    if regularizer != "l2":
        np.testing.assert_array_equal(moved["kernel"], 0)
    assert np.all(np.abs(np.asarray(moved["kernel"])) < 0.5)
    np.testing.assert_array_equal(moved["bias"], params["Dense_0"]["bias"])


def test_a_penalty_is_in_the_loss():
    flags = ["--regularizer", "l1", "--placement", "penalty", "--strength", "0.5"]
    loss_fn = recipe.objective(settings(*flags), lambda params: (jnp.array(1.0), None))
    assert float(loss_fn(PARAMS)[0]) == 1.0 + 0.5 * 3.0


@pytest.mark.parametrize("name", recipe.SCHEDULES)
def test_schedules_warm_up_to_the_peak_and_never_exceed_it(name):
    given = settings("--optimizer", "sgd", "--schedule", name, "--warmup-fraction", "0.1")
    rates = np.array([float(recipe.schedule(given, 100)(t)) for t in range(100)])
    np.testing.assert_allclose(rates[:11], np.arange(11) / 100, rtol=1e-6)
    assert rates.max() == rates[10]
    assert rates.min() >= 0


def test_recommended_follows_the_schedule_that_is_drawn():
    given = settings()
    tx = recipe.transformation(given, STEPS)
    state = tx.init(PARAMS)
    grads = optax.tree.zeros_like(PARAMS)
    for step in range(10):
        drawn = recipe.schedule(given, STEPS)(step)
        np.testing.assert_allclose(ro.learning_rate(tx, state), drawn, rtol=1e-6)
        _, state = tx.update(grads, state, PARAMS)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--optimizer sgd --weight-decay 0.1", "--weight-decay is nothing that sgd has"),
        ("--schedule step", "recommended brings its own"),
        ("--warmup-fraction 0", "warmup_fraction"),
        ("--regularizer nonnegative --placement coupled", "proximal"),
    ],
)
def test_flags_that_do_not_go_together(flags, said):
    with pytest.raises(DemoError, match=said):
        recipe.transformation(settings(*flags.split()), STEPS)
