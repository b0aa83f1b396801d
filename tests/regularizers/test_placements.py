"""Where a regulariser acts: against NumPy from the papers, and against PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro

RNG = np.random.default_rng(1)
A = RNG.normal(size=(20, 8))
Y = A @ np.array([2.0, 0, 0, -1.0, 0, 0, 0, 0.5]) + 0.05 * RNG.normal(size=20)
START = RNG.normal(size=8)
STEP = 1 / np.linalg.norm(A, 2) ** 2


def gradient(w):
    return A.T @ (A @ w - Y)


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def train(tx, steps=100, start=START, grads=gradient):
    w = jnp.asarray(start)
    state = tx.init(w)

    @jax.jit
    def step(w, state):
        updates, state = tx.update(grads(w), state, w)
        return ro.apply_updates(w, updates), state

    path = []
    for _ in range(steps):
        w, state = step(w, state)
        path.append(np.asarray(w))
    return np.stack(path)


def soft(z, tau):
    return np.sign(z) * np.maximum(np.abs(z) - tau, 0)


# --- in the loss --------------------------------------------------------------------------


def test_penalize_adds_the_value_and_so_the_gradient():
    def loss(w, x, *, scale):
        return scale * jnp.sum(w["a"] * x)

    w = {"a": jnp.array([1.0, -2.0]), "b": jnp.array([3.0])}
    x = jnp.array([4.0, 5.0])
    R = ro.elastic_net(0.5, 2.0)
    value, grads = jax.value_and_grad(ro.penalize(loss, R))(w, x, scale=2.0)
    assert float(value) == -12.0 + 3.0 + 14.0
    assert grads["a"].tolist() == [8.0 + 0.5 + 2.0, 10.0 - 0.5 - 4.0]
    assert grads["b"].tolist() == [6.5]


def test_penalize_with_aux():
    penalized = ro.penalize(lambda w: (jnp.sum(w), {"n": 3}), ro.l1(2.0), has_aux=True)
    total, aux = penalized(jnp.array([1.0, -3.0]))
    assert (float(total), aux) == (6.0, {"n": 3})


def test_penalize_keeps_the_dtype_of_the_loss():
    total = ro.penalize(lambda w: jnp.sum(w), ro.l2(1.0))(jnp.ones(4, jnp.bfloat16))
    assert (total.dtype, float(total)) == (jnp.bfloat16, 6.0)


def test_penalize_with_a_schedule_takes_the_step():
    penalized = ro.penalize(lambda w: 0.0 * jnp.sum(w), ro.l1(lambda t: 1.0 * t))
    assert float(penalized(jnp.array([2.0]), step=3)) == 6.0
    with pytest.raises(ValueError, match="scheduled strength"):
        penalized(jnp.array([2.0]))


# --- coupled and decoupled ----------------------------------------------------------------


@pytest.mark.parametrize("place", [ro.coupled, ro.decoupled])
def test_the_gradient_is_added(place):
    w = {"a": jnp.array([1.0, -2.0]), "b": None}
    tx = place(ro.elastic_net(0.5, 2.0))
    updates, state = tx.update({"a": jnp.array([10.0, 10.0]), "b": None}, tx.init(w), w)
    assert updates["a"].tolist() == [12.5, 5.5]
    assert updates["b"] is None
    assert state == optax.EmptyState()


@pytest.mark.parametrize("place", [ro.coupled, ro.decoupled])
def test_a_scheduled_strength_counts_updates_from_zero(place):
    w = jnp.array([1.0])
    tx = place(ro.l2(ro.linear_schedule(0.0, 8.0, 8)))
    state, seen = tx.init(w), []
    for _ in range(3):
        updates, state = jax.jit(tx.update)(jnp.zeros(1), state, w)
        seen.append(float(updates[0]))
    assert seen == [0.0, 1.0, 2.0]
    assert int(state.count) == 3


@pytest.mark.parametrize("place", [ro.coupled, ro.decoupled])
def test_parameters_are_needed(place):
    tx = place(ro.l2(0.1))
    grads = {"dense": {"kernel": jnp.ones(2)}}
    with pytest.raises(ValueError, match=r"parameters are needed \(first leaf: 'dense/kernel'\)"):
        tx.update(grads, tx.init(grads))


def test_add_decayed_weights_is_decoupled_l2():
    w, grads = jnp.array([1.0, -2.0]), jnp.array([0.5, 0.5])
    for decay in (0.25, lambda t: 0.25):
        ours, theirs = ro.add_decayed_weights(decay), optax.add_decayed_weights(decay)
        state, expected_state = ours.init(w), theirs.init(w)
        assert jax.tree.structure(state) == jax.tree.structure(expected_state)
        updates, _ = ours.update(grads, state, w)
        expected, _ = theirs.update(grads, expected_state, w)
        np.testing.assert_array_equal(updates, expected)
        assert updates.tolist() == [0.75, 0.0]
    masked = ro.add_decayed_weights(0.25, {"a": True, "b": False})
    params = {"a": w, "b": w}
    updates, _ = masked.update({"a": grads, "b": grads}, masked.init(params), params)
    assert (updates["a"].tolist(), updates["b"].tolist()) == ([0.75, 0.0], [0.5, 0.5])


def torch_path(make, steps=60):
    torch = pytest.importorskip("torch", reason="PyTorch's optimisers are the oracle")
    w = torch.tensor(START, dtype=torch.float64, requires_grad=True)
    optimizer, path = make(torch.optim, [w]), []
    for _ in range(steps):
        w.grad = torch.tensor(gradient(w.detach().numpy()), dtype=torch.float64)
        optimizer.step()
        path.append(w.detach().numpy().copy())
    return np.stack(path)


AS_TORCH = {
    "Adam": (
        lambda: ro.chain(ro.coupled(ro.l2(0.3)), ro.adam(0.05)),
        lambda optim, p: optim.Adam(p, lr=0.05, weight_decay=0.3),
    ),
    "AdamW": (
        lambda: ro.chain(
            ro.scale_by_adam(), ro.decoupled(ro.l2(0.3)), ro.scale_by_learning_rate(0.05)
        ),
        lambda optim, p: optim.AdamW(p, lr=0.05, weight_decay=0.3),
    ),
    "adamw": (
        lambda: ro.adamw(0.05, weight_decay=0.3),
        lambda optim, p: optim.AdamW(p, lr=0.05, weight_decay=0.3),
    ),
    "SGD": (
        lambda: ro.chain(ro.coupled(ro.l2(0.3)), ro.sgd(0.01, momentum=0.9)),
        lambda optim, p: optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.3),
    ),
    "RMSprop": (
        lambda: ro.chain(ro.coupled(ro.l2(0.3)), ro.rmsprop(0.01)),
        lambda optim, p: optim.RMSprop(p, lr=0.01, weight_decay=0.3),
    ),
}


@pytest.mark.parametrize("name", AS_TORCH)
@pytest.mark.usefixtures("x64")
def test_equals_pytorch(name):
    ours, theirs = AS_TORCH[name]
    np.testing.assert_allclose(train(ours(), 60), torch_path(theirs), rtol=1e-11, atol=1e-13)


@pytest.mark.usefixtures("x64")
def test_coupled_and_decoupled_agree_under_sgd_and_differ_under_adam():
    def pair(make):
        return [train(ro.regularize(make, ro.l2(0.5), how), 50) for how in ("coupled", "decoupled")]

    a, b = pair(ro.sgd(0.01))
    np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)
    a, b = pair(ro.adam(0.05))
    assert np.max(np.abs(a[-1] - b[-1])) > 1e-2


def test_cautious_decay_only_where_it_agrees_with_the_step():
    w = jnp.array([1.0, 1.0, -1.0, -1.0, 0.0])
    u = jnp.array([0.2, -0.2, 0.2, -0.2, 0.2])
    tx = ro.decoupled(ro.l2(0.5), cautious=True)
    updates, _ = tx.update(u, tx.init(w), w)
    np.testing.assert_allclose(updates, [0.7, -0.2, 0.2, -0.7, 0.2], rtol=1e-6)


# --- proximal -----------------------------------------------------------------------------


@pytest.mark.usefixtures("x64")
def test_proximal_sgd_is_ista():
    w, strength, expected = START, 0.7, []
    for _ in range(100):
        w = soft(w - STEP * gradient(w), STEP * strength)
        expected.append(w)
    path = train(ro.proximal(ro.sgd(STEP), ro.l1(strength)))
    np.testing.assert_allclose(path, expected, rtol=1e-12, atol=1e-14)
    assert 0 < np.sum(path[-1] == 0) < 8


def prox_adam(prox, rate, b1=0.9, b2=0.999, eps=1e-8, steps=100):
    """ProxGen, arXiv 2007.07484: prox in the metric (√r̂ + ε)/α of the step just taken."""
    w, m, r, path = START, np.zeros(8), np.zeros(8), []
    for t in range(1, steps + 1):
        g = gradient(w)
        m, r = b1 * m + (1 - b1) * g, b2 * r + (1 - b2) * g * g
        d = (np.sqrt(r / (1 - b2**t)) + eps) / rate(t - 1)
        w = prox(w - m / (1 - b1**t) / d, d, t - 1)
        path.append(w)
    return np.stack(path)


@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.usefixtures("x64")
def test_proximal_adam_is_proxgen(scheduled):
    rate = (lambda t: 0.05 * (1 - t / 200)) if scheduled else (lambda t: 0.05)
    expected = prox_adam(lambda z, d, t: soft(z, 5.0 / d), rate)
    learning_rate = ro.linear_schedule(0.05, 0.0, 200) if scheduled else 0.05
    path = train(ro.proximal(ro.adam(learning_rate), ro.l1(5.0)))
    np.testing.assert_allclose(path, expected, rtol=1e-12, atol=1e-14)
    assert 0 < np.sum(path[-1] == 0) < 8


@pytest.mark.usefixtures("x64")
def test_a_scheduled_strength_counts_from_zero():
    expected = prox_adam(lambda z, d, t: soft(z, 0.2 * t / d), lambda t: 0.05, steps=40)
    tx = ro.proximal(ro.adam(0.05), ro.l1(lambda t: 0.2 * t.astype(float)))
    np.testing.assert_allclose(train(tx, 40), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.usefixtures("x64")
def test_proximal_l2_is_implicit_weight_decay():
    expected = prox_adam(lambda z, d, t: z / (1 + 0.8 / d), lambda t: 0.05)
    path = train(ro.proximal(ro.adam(0.05), ro.l2(0.8)))
    np.testing.assert_allclose(path, expected, rtol=1e-12, atol=1e-14)


FALLING = ro.linear_schedule(0.05, 0.0, 3000)
REACHING = {
    "adam": ro.adam(FALLING),
    "nadam": ro.nadam(FALLING),
    "rmsprop": ro.rmsprop(FALLING),
    "adabelief": ro.adabelief(FALLING),
    "adan": ro.adan(FALLING),
    "ademamix": ro.ademamix(ro.linear_schedule(0.01, 0.0, 3000), b3=0.99, alpha=2.0),
    "momentum": ro.sgd(STEP, momentum=0.9),
    "dampened nesterov": ro.chain(ro.trace(0.9, True, dampening=0.5), ro.scale(-STEP)),
    "optimistic adam": ro.optimistic_adam_v2(FALLING),
}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", REACHING)
def test_proximal_reaches_the_lasso(name):
    """A metric of another size would give the solution of another strength."""
    from sklearn.linear_model import Lasso

    strength = 0.7
    path = train(ro.proximal(REACHING[name], ro.l1(strength)), 3000)
    lasso = Lasso(alpha=strength / 20, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(A, Y)
    np.testing.assert_allclose(path[-1], lasso.coef_, atol=1e-4)
    np.testing.assert_array_equal(path[-1] == 0, lasso.coef_ == 0)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("make", [ro.sign_sgd, lambda rate: ro.lion(rate, weight_decay=0.0)])
def test_under_signs_a_strength_below_one_moves_nothing_and_one_above_takes_all(make):
    target = jnp.array([2.0, -1.0, 0.3])
    for strength, expected in ((0.9, target), (1.5, jnp.zeros(3))):
        tx = ro.proximal(make(ro.linear_schedule(0.05, 0.0, 1000)), ro.l1(strength))
        path = train(tx, 1000, start=np.ones(3), grads=lambda w: w - target)
        np.testing.assert_allclose(path[-1], expected, atol=1e-3)


OPTIMIZERS = {
    "sgd": ro.sgd(0.1),
    "momentum": ro.sgd(0.1, momentum=0.9),
    "rmsprop": ro.rmsprop(0.01),
    "adam": ro.adam(0.1),
    "adamw": ro.adamw(0.1, weight_decay=0.1),
    "lion": ro.lion(0.5),
    "adagrad": ro.adagrad(0.1),
    "clipped": ro.chain(ro.clip_by_global_norm(1.0), ro.adam(0.1)),
}


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_zeros_are_exact_after_apply_updates(name, dtype):
    """Weights of all sizes, with a threshold that takes about half of them."""
    z = jnp.asarray(RNG.normal(size=400) * np.exp(RNG.normal(size=400)), dtype)
    grads = jnp.asarray(RNG.normal(size=400), dtype)
    tx = ro.proximal(OPTIMIZERS[name], ro.l1(1.0))

    @jax.jit
    def step(w, state):
        updates, state = tx.update(grads, state, w)
        return ro.apply_updates(w, updates), state, updates

    state = tx.init(z)
    updates, after = OPTIMIZERS[name].update(grads, state, z)
    metric = np.broadcast_to(np.asarray(tx.metric(after, z), np.float64), z.shape)
    pull = np.abs(np.asarray(z, np.float64) + np.asarray(updates, np.float64)) * metric
    w, _, moves = step(z, state)
    assert moves.dtype == w.dtype == dtype
    dead, alive = pull < 0.95, pull > 1.05
    assert 10 < dead.sum() < 390
    assert np.all(np.asarray(w)[dead] == 0)
    assert np.all(np.asarray(w)[alive] != 0)


def test_zeros_are_exact_with_wider_gradients():
    w = jnp.asarray(RNG.normal(size=300), jnp.bfloat16)
    tx = ro.proximal(ro.sgd(1.0), ro.l1(0.5))
    updates, _ = jax.jit(tx.update)(jnp.zeros(300, jnp.float32), tx.init(w), w)
    new = ro.apply_updates(w, updates)
    assert new.dtype == jnp.bfloat16
    np.testing.assert_array_equal(np.asarray(new) == 0, np.abs(np.asarray(w, np.float32)) <= 0.5)


def test_a_learning_rate_of_zero_takes_no_step():
    for name in ("sgd", "adam"):
        rate = ro.linear_warmup(0.1, 10)
        tx = ro.proximal({"sgd": ro.sgd, "adam": ro.adam}[name](rate), ro.elastic_net(1.0, 1.0))
        w = jnp.array([0.5, -2.0])
        updates, state = tx.update(jnp.ones(2), tx.init(w), w)
        assert updates.tolist() == [0.0, 0.0]
        updates, _ = tx.update(jnp.ones(2), state, w)
        assert np.all(np.isfinite(updates))
        assert np.all(updates != 0)


GATED = {
    "accumulate": (lambda tx: ro.accumulate(tx, 2), [False, True, False, True]),
    "apply_if_finite": (ro.apply_if_finite, [True, False, True, True]),
    "both": (lambda tx: ro.apply_if_finite(ro.accumulate(tx, 2)), [False, False, True, False]),
    "after clipping": (
        lambda tx: ro.chain(ro.clip(1.0), ro.accumulate(tx, 2)),
        [False, True, False, True],
    ),
}


@pytest.mark.parametrize("scheduled", [False, True])
@pytest.mark.parametrize("name", GATED)
def test_a_step_that_is_held_back_moves_nothing(name, scheduled):
    """The proximal map alone would shrink the weights on each of them."""
    wrap, moves = GATED[name]
    strength = (lambda t: 0.5) if scheduled else 0.5
    tx = ro.proximal(wrap(ro.adam(0.1)), ro.l1(strength))
    w = jnp.array([1.0, -0.01, 0.0])
    grads = [0.1 * w, w if name == "accumulate" or "clip" in name else jnp.nan * w, 0.1 * w, w]
    state, update = tx.init(w), jax.jit(tx.update)
    for g, moved in zip(grads, moves, strict=True):
        updates, state = update(g, state, w)
        assert bool(jnp.all(updates[:2] != 0)) is moved
        if moved:
            assert float(ro.apply_updates(w, updates)[1]) == 0.0
        else:
            assert not np.any(updates)


@pytest.mark.usefixtures("x64")
def test_proximal_around_and_inside_accumulation_are_the_same():
    a = ro.proximal(ro.accumulate(ro.adam(0.05), 2), ro.l1(1.0))
    b = ro.accumulate(ro.proximal(ro.adam(0.05), ro.l1(1.0)), 2)
    assert str(ro.describe(a)) == str(ro.describe(b))
    np.testing.assert_array_equal(train(a, 20), train(b, 20))


def test_the_strength_of_a_gated_step_counts_optimiser_steps():
    tx = ro.proximal(ro.accumulate(ro.sgd(1.0), 2), ro.l1(ro.linear_schedule(0.0, 8.0, 8)))
    w = jnp.array([10.0])
    state, seen = tx.init(w), []
    for _ in range(6):
        updates, state = tx.update(jnp.zeros(1), state, w)
        seen.append(float(updates[0]))
    assert seen == [0.0, 0.0, 0.0, -1.0, 0.0, -2.0]


def test_proximal_says_what_has_no_metric():
    with pytest.raises(ValueError, match=r"proximal: optax\.scale_by_adam has no metric"):
        ro.proximal(ro.chain(ro.clip(1.0), optax.scale_by_adam(), ro.scale(-0.1)), ro.l1(0.1))
    with pytest.raises(ValueError, match="proximal: accumulate has no metric"):
        ro.proximal(ro.chain(ro.accumulate(ro.adam(0.1), 2), ro.scale(0.5)), ro.l1(0.1))
    with pytest.raises(ValueError, match="proximal: trace has no metric"):
        ro.proximal(ro.sgd(0.1, momentum=1.0), ro.l1(0.1))


def test_proximal_after_nothing_weighs_every_element_by_one():
    w, g = jnp.array([1.0, -2.0, 0.25]), jnp.array([0.25, 0.0, 0.0])
    tx = ro.proximal(ro.chain(), ro.l1(0.5))
    updates, _ = tx.update(g, tx.init(w), w)
    assert ro.apply_updates(w, updates).tolist() == [0.75, -1.5, 0.0]


def test_proximal_needs_parameters():
    tx = ro.proximal(ro.sgd(0.1), ro.l1(0.1))
    with pytest.raises(ValueError, match="proximal: the parameters are needed"):
        tx.update(jnp.ones(2), tx.init(jnp.ones(2)))


def test_proximal_on_a_selection_and_with_none():
    params = {"w": jnp.array([0.05, 1.0]), "b": jnp.array([0.05]), "n": None}
    grads = {"w": jnp.zeros(2), "b": jnp.zeros(1), "n": None}
    tx = ro.proximal(ro.sgd(0.1), ro.l1(1.0).on(ro.select("w")))
    updates, _ = tx.update(grads, tx.init(params), params)
    new = ro.apply_updates(params, updates)
    np.testing.assert_allclose(new["w"], [0.0, 0.9], rtol=1e-6)
    assert new["b"].tolist() == params["b"].tolist()
    assert new["n"] is None


TYPO = ro.select("**/kernal")
MISSPELT = {
    "proximal": lambda: ro.proximal(ro.adam(0.1), ro.l2(0.1) + ro.l1(0.1).on(TYPO)),
    "proximal inside a gate": lambda: ro.proximal(
        ro.accumulate(ro.sgd(0.1), 2), ro.l1(0.1).on(TYPO)
    ),
    "coupled": lambda: ro.coupled(ro.l1(0.1).on(TYPO)),
    "decoupled": lambda: ro.decoupled(ro.l1(0.1).on(TYPO)),
    "constant_norm": lambda: ro.constant_norm(ro.sgd(0.1), TYPO),
}


@pytest.mark.parametrize("name", MISSPELT)
def test_a_selector_that_matches_nothing_is_refused_by_init(name):
    tx, params = MISSPELT[name](), {"dense": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}}
    said = r"select\('\*\*/kernal'\) matches no leaf. There are: dense/bias, dense/kernel"
    with pytest.raises(ValueError, match=said):
        tx.init(params)
    with pytest.raises(ValueError, match=said):
        ro.describe(tx, params)


def test_constant_norm_takes_a_selector_and_not_its_pattern():
    with pytest.raises(ValueError, match=r"constant_norm: the mask has the string 'w'"):
        ro.constant_norm(ro.sgd(0.1), "w")


PLACES = {
    "proximal": lambda R: ro.proximal(ro.sgd(0.1), R),
    "coupled": ro.coupled,
    "decoupled": ro.decoupled,
    "penalize": lambda R: ro.penalize(jnp.sum, R),
    "regularize": lambda R: ro.regularize(ro.sgd(0.1), R, "coupled"),
    "fista": lambda R: ro.fista(jnp.sum, R, jnp.zeros(2)),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_regulariser_is_refused(place):
    with pytest.raises(TypeError, match=rf"{place}: .*<function l1.*Did you forget to call l1\?"):
        PLACES[place](ro.l1)
    with pytest.raises(TypeError, match=rf"{place}: expected a regulariser.*got 0\.1\.$"):
        PLACES[place](0.1)


def test_the_state_is_that_of_the_step():
    w = jnp.ones(2)
    plain = ro.proximal(ro.adam(0.1), ro.l1(0.1)).init(w)
    assert jax.tree.structure(plain) == jax.tree.structure(optax.adam(0.1).init(w))


# --- constant norm ------------------------------------------------------------------------


def test_constant_norm():
    params = {"w": jnp.array([[3.0, 4.0]]), "b": jnp.array([1.0]), "zero": jnp.zeros(2)}
    grads = jax.tree.map(lambda p: jnp.ones_like(p), params)
    tx = ro.constant_norm(ro.sgd(0.5), ro.select("w") | ro.select("zero"))
    updates, _ = jax.jit(tx.update)(grads, tx.init(params), params)
    new = ro.apply_updates(params, updates)
    np.testing.assert_allclose(new["w"], 5 * np.array([[2.5, 3.5]]) / np.hypot(2.5, 3.5), rtol=1e-6)
    assert new["b"].tolist() == [0.5]
    assert new["zero"].tolist() == [0.0, 0.0]


def test_coupled_l2_decays_weights_with_large_gradients_less():
    """The lecture: inside Adam L2 is divided by √r̂, beside it every weight decays alike.

    Gradients of fixed sizes and alternating signs leave only the decay to move the weights.
    """
    sizes = jnp.array([0.01, 0.1, 1.0, 10.0])
    weights = {}
    for how in ("coupled", "decoupled"):
        tx, w = ro.regularize(ro.adam(1e-2), ro.l2(0.01), how=how), jnp.ones(4)
        state, update = tx.init(w), jax.jit(tx.update)
        for t in range(200):
            updates, state = update(sizes * (-1) ** t, state, w)
            w = ro.apply_updates(w, updates)
        weights[how] = 1 - np.asarray(w)
    assert np.all(np.diff(weights["coupled"]) < 0)
    assert weights["coupled"][0] > 20 * weights["coupled"][3]
    assert np.ptp(weights["decoupled"]) < 1e-5


@pytest.mark.parametrize("how", ["masked", "partition"])
def test_a_proximal_map_enters_a_gate_in_a_mask_or_a_partition(how):
    """A held step moves nothing; leaves beside the mask get their map every time."""
    params = {"a": jnp.array([0.05, 1.0]), "b": jnp.array([0.05, 1.0])}
    zero = jax.tree.map(jnp.zeros_like, params)
    gate = ro.accumulate(ro.sgd(1.0), 2)
    tx = {
        "masked": ro.masked(gate, ro.select("a")),
        "partition": ro.partition({"g": gate, "s": ro.sgd(1.0)}, {"a": "g", "b": "s"}),
    }[how]
    tx = ro.proximal(tx, ro.l1(0.1))
    held, state = tx.step(zero, tx.init(params), params)
    assert held["a"].tolist() == params["a"].tolist()
    np.testing.assert_allclose(held["b"], [0.0, 0.9], rtol=1e-6)
    moved, _ = tx.step(zero, state, held)
    np.testing.assert_allclose(moved["a"], [0.0, 0.9], rtol=1e-6)
    np.testing.assert_allclose(moved["b"], [0.0, 0.8], rtol=1e-6)
