"""proximal over every optimiser against its closed form in NumPy float64, 100 steps."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro

RATE = 0.05
LAMBDA = 0.3
STEPS = 100


def sgd(g, w, s, t, rate):
    return -rate * g, 1 / rate


def momentum(g, w, s, t, rate, nesterov=False):
    s["v"] = 0.9 * s.get("v", 0) + g
    direction = g + 0.9 * s["v"] if nesterov else s["v"]
    return -rate * direction, 0.1 / rate


def rmsprop(g, w, s, t, rate):
    s["r"] = 0.99 * s.get("r", 0) + 0.01 * g**2
    d = np.sqrt(s["r"]) + 1e-8
    return -rate * g / d, d / rate


def rmsprop_momentum(g, w, s, t, rate):
    step, metric = rmsprop(g, w, s, t, rate)
    s["v"] = 0.9 * s.get("v", 0) + step
    return s["v"], 0.1 * metric


def adagrad(g, w, s, t, rate):
    s["s"] = s.get("s", 0.1) + g**2
    d = np.sqrt(s["s"] + 1e-7)
    return -rate * g / d, d / rate


def adam(g, w, s, t, rate, decay=0.0):
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["r"] = 0.999 * s.get("r", 0) + 0.001 * g**2
    d = np.sqrt(s["r"] / (1 - 0.999**t)) + 1e-8
    return -rate * (s["m"] / (1 - 0.9**t) / d + decay * w), d / rate


def lion(g, w, s, t, rate):
    m = s.get("m", 0)
    s["m"] = 0.99 * m + 0.01 * g
    return -rate * (np.sign(0.9 * m + 0.1 * g) + 1e-3 * w), 1 / rate


def clipped(g, w, s, t, rate):
    return adam(g * min(1, 1 / np.linalg.norm(g)), w, s, t, rate)


SCHEDULE = ro.cosine_decay_schedule(RATE, STEPS, alpha=0.1)

CHAINS = {
    "sgd": (lambda r: ro.sgd(r), sgd),
    "momentum": (lambda r: ro.sgd(r, momentum=0.9), momentum),
    "nesterov": (
        lambda r: ro.sgd(r, momentum=0.9, nesterov=True),
        partial(momentum, nesterov=True),
    ),
    "rmsprop": (lambda r: ro.rmsprop(r), rmsprop),
    "rmsprop, momentum": (lambda r: ro.rmsprop(r, momentum=0.9), rmsprop_momentum),
    "adagrad": (lambda r: ro.adagrad(r), adagrad),
    "adam": (lambda r: ro.adam(r), adam),
    "adamw": (lambda r: ro.adamw(r, weight_decay=0.02), partial(adam, decay=0.02)),
    "lion": (lambda r: ro.lion(r), lion),
    "clipped adam": (lambda r: ro.chain(ro.clip_by_global_norm(1.0), ro.adam(r)), clipped),
}

PENALTIES = {
    "l1": (ro.l1(LAMBDA), lambda z, d: np.sign(z) * np.maximum(np.abs(z) - LAMBDA / d, 0)),
    "elastic net": (
        ro.elastic_net(LAMBDA, 0.2),
        lambda z, d: np.sign(z) * np.maximum(np.abs(z) - LAMBDA / d, 0) / (1 + 0.2 / d),
    ),
    "l0": (ro.l0(LAMBDA), lambda z, d: np.where(np.abs(z) > np.sqrt(2 * LAMBDA / d), z, 0)),
    "nonnegative": (ro.nonnegative(), lambda z, d: np.maximum(z, 0)),
}


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def problem():
    rng = np.random.default_rng(3)
    a = rng.normal(size=(30, 12)) * np.logspace(-0.5, 0.5, 12)
    return a, a @ np.where(rng.random(12) < 0.5, rng.normal(size=12), 0)


def run(tx, steps=STEPS):
    a, b = (jnp.asarray(x) for x in problem())

    @jax.jit
    def trajectory():
        def step(carry, _):
            w, state = carry
            updates, state = tx.update(a.T @ (a @ w - b) / 30, state, w)
            w = ro.apply_updates(w, updates)
            return (w, state), w

        w = jnp.full(12, 0.5)
        return jax.lax.scan(step, (w, tx.init(w)), None, length=steps)[1]

    return np.asarray(trajectory())


@pytest.mark.parametrize("scheduled", [False, True], ids=["constant", "schedule"])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("name", CHAINS)
def test_every_chain_with_a_metric(name, penalty, scheduled):
    (make, oracle), (regularizer, prox) = CHAINS[name], PENALTIES[penalty]
    found = run(ro.proximal(make(SCHEDULE if scheduled else RATE), regularizer))
    a, b = problem()
    w, s, expected = np.full(12, 0.5), {}, []
    for t in range(1, STEPS + 1):
        rate = float(SCHEDULE(t - 1)) if scheduled else RATE
        step, metric = oracle(a.T @ (a @ w - b) / 30, w, s, t, rate)
        w = prox(w + step, metric)
        expected.append(w)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found == 0, np.asarray(expected) == 0)


def test_accumulation_and_masks_and_groups_of_a_partition():
    """The proximal map acts on the k-th step only, on the masked leaves' own metric."""
    a, b = (jnp.asarray(x) for x in problem())
    params = {"sparse": jnp.full(12, 0.5), "plain": jnp.full(12, 0.5)}

    def grads(params):
        return {name: a.T @ (a @ w - b) / 30 for name, w in params.items()}

    labels = {"sparse": "sparse", "plain": "plain"}
    tx = ro.accumulate(
        ro.partition(
            {"sparse": ro.proximal(ro.adam(RATE), ro.l1(LAMBDA)), "plain": ro.adam(RATE)}, labels
        ),
        every_k=2,
    )
    state, seen, update = tx.init(params), [], jax.jit(tx.update)
    for _ in range(40):
        updates, state = update(grads(params), state, params)
        params = ro.apply_updates(params, updates)
        seen.append(params)
    alone = run(ro.proximal(ro.adam(RATE), ro.l1(LAMBDA)), 20)
    np.testing.assert_allclose(seen[-1]["sparse"], alone[-1], atol=1e-12)
    np.testing.assert_array_equal(seen[0]["sparse"], 0.5)
    plain = run(ro.adam(RATE), 20)
    np.testing.assert_allclose(seen[-1]["plain"], plain[-1], atol=1e-12)
    assert np.all(np.asarray(seen[-1]["plain"]) != 0)
