import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro

PARAMS = {"w": jnp.array([1.0, -2.0, 3.0]), "b": jnp.array(0.5)}
MATRIX = {"w": jnp.eye(3) + 0.5}
GRADS = {"w": jnp.array([0.3, 4.0, -0.2]), "b": jnp.array(-1.5)}
RISING = ro.linear_schedule(0.0, 1.0, 10)
MAKERS = {
    "adam": (ro.adam, {}),
    "adamw": (ro.adamw, {"mask": ro.select("w")}),
    "sgd": (ro.sgd, {"momentum": 0.9}),
    "rmsprop": (ro.rmsprop, {}),
    "lion": (ro.lion, {}),
    "optax.sgd": (optax.sgd, {"momentum": 0.9}),
}
makers = pytest.mark.parametrize("name", MAKERS)


def injected(name, learning_rate=0.1):
    make, rest = MAKERS[name]
    return ro.inject_hyperparams(make)(learning_rate, **rest)


def close(a, b, rtol=1e-4):
    """In float32, where 1 - 0.999 is off by 1e-5."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-7), a, b)


def run(tx, steps=3, state=None):
    params, state = PARAMS, tx.init(PARAMS) if state is None else state
    update = jax.jit(tx.update)
    for _ in range(steps):
        updates, state = update(GRADS, state, params)
        params = ro.apply_updates(params, updates)
    return params, state


# --- what it is for -----------------------------------------------------------------------


@makers
def test_the_same_as_without_injection(name):
    make, rest = MAKERS[name]
    close(run(injected(name))[0], run(make(0.1, **rest))[0])


@makers
def test_a_change_takes_effect_and_compiles_nothing(name):
    tx = injected(name)
    update = jax.jit(tx.update)
    state = tx.init(PARAMS)
    for rate in (0.1, 0.5, 0.0):
        state.hyperparams["learning_rate"] = jnp.asarray(rate, jnp.float32)
        updates, state = update(GRADS, state, PARAMS)
        assert float(state.hyperparams["learning_rate"]) == np.float32(rate)
        assert bool(np.any(updates["w"])) is (rate > 0)
    assert update._cache_size() == 1


@makers
def test_a_sweep_by_vmap_equals_runs_of_their_own(name):
    tx, rates = injected(name), jnp.array([0.01, 0.1, 1.0])

    def start(rate):
        state = tx.init(PARAMS)
        return state._replace(hyperparams=state.hyperparams | {"learning_rate": rate})

    def train(state):
        def one(carry, _):
            params, state = carry
            updates, state = tx.update(GRADS, state, params)
            return (ro.apply_updates(params, updates), state), None

        return jax.lax.scan(one, (PARAMS, state), length=3)[0][0]

    swept = jax.jit(jax.vmap(train))(jax.vmap(start)(rates))
    for i, rate in enumerate(rates.tolist()):
        alone, _ = run(injected(name, rate))
        close(jax.tree.map(lambda x, i=i: x[i], swept), alone)


@pytest.mark.parametrize(("name", "of"), [
    ("adam", "learning_rate"), ("adam", "b1"), ("adam", "eps"),
    ("adamw", "weight_decay"), ("sgd", "momentum"),
])  # fmt: skip
def test_the_derivative_by_a_hyperparameter_is_that_of_finite_differences(name, of):
    with jax.enable_x64(True):
        params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), PARAMS)
        tx = injected(name)
        begin = tx.init(params)

        @jax.jit
        def loss(value):
            p, state = params, begin
            for _ in range(3):
                state = state._replace(hyperparams=state.hyperparams | {of: value})
                updates, state = tx.update(jax.tree.map(jnp.sin, p), state, p)
                p = ro.apply_updates(p, updates)
            return sum(jnp.sum(x**2) for x in jax.tree.leaves(p))

        at, h = begin.hyperparams[of], 1e-5 * max(float(begin.hyperparams[of]), 1e-6)
        slope = (loss(at + h) - loss(at - h)) / (2 * h)
        np.testing.assert_allclose(jax.grad(loss)(at), slope, rtol=1e-4)
        assert slope != 0


# --- the state ----------------------------------------------------------------------------


def test_only_numbers_and_schedules_are_injected():
    tx = ro.inject_hyperparams(ro.adamw)(0.1, mu_dtype=jnp.bfloat16, mask=ro.select("w"))
    names = {"learning_rate", "b1", "b2", "eps", "eps_root", "weight_decay"}
    assert set(tx.init(PARAMS).hyperparams) == names


def test_static_arguments():
    tx = ro.inject_hyperparams(ro.adam, static_args=("b1", "b2"))(0.1)
    assert set(tx.init(PARAMS).hyperparams) == {"learning_rate", "eps", "eps_root"}
    tx = ro.inject_hyperparams(ro.adam, static_args="learning_rate")(RISING)
    assert "learning_rate" not in tx.init(PARAMS).hyperparams
    with pytest.raises(ValueError, match=r"static_args has \['rate'\], but the arguments are"):
        ro.inject_hyperparams(ro.adam, static_args="rate")


@pytest.mark.parametrize("name", ["muon", "soap", "shampoo", "adafactor"])
def test_integers_by_annotation_are_static(name):
    make = getattr(ro, name)
    tx = ro.inject_hyperparams(make)(0.1)
    state = tx.init(MATRIX)
    integers = {k for k, p in inspect.signature(make).parameters.items() if p.annotation is int}
    assert integers
    assert not integers & set(state.hyperparams)
    for run in (tx.update, jax.jit(tx.update)):
        updates, _ = run(MATRIX, state, MATRIX)
        close(updates, make(0.1).update(MATRIX, make(0.1).init(MATRIX), MATRIX)[0])


def test_an_integer_annotated_as_text_is_static_and_an_array_is_not():
    def make(k: "int", factor: "float"):
        return ro.chain(ro.apply_every(k), ro.scale(factor))

    def hyperparams(k):
        return set(ro.inject_hyperparams(make)(k, 2.0).init(PARAMS).hyperparams)

    assert hyperparams(2) == {"factor"}
    assert hyperparams(jnp.array(2)) == {"k", "factor"}


def test_a_number_that_is_needed_is_named():
    def make(rate, times, power=1.0):
        return ro.chain(*(ro.scale(2.0) for _ in range(times)), ro.sgd(rate * power))

    tx = ro.inject_hyperparams(make)(0.1, 3)
    with pytest.raises(TypeError, match=r"chain needs the numbers of \['times'\] .*static_args"):
        jax.jit(tx.init)(PARAMS)
    state = tx.init(PARAMS)
    for update in (tx.update, jax.jit(tx.update)):
        with pytest.raises(TypeError, match=r"the numbers of \['times'\] .*static_args"):
            update(GRADS, state)
    tx = ro.inject_hyperparams(make, static_args="times")(0.1, 3)
    close(tx.update(GRADS, tx.init(PARAMS))[0], jax.tree.map(lambda g: -0.8 * g, GRADS))
    tx = ro.inject_hyperparams(ro.recommended)(100)
    with pytest.raises(TypeError, match=r"recommended needs the numbers of \['warmup_fraction'\]"):
        tx.update(MATRIX, tx.init(MATRIX), MATRIX)


def test_an_error_of_anything_else_stays_as_it_is():
    def make(rate):
        def update(updates, state, params=None, *, value):
            return (updates if value > 0 else params), state

        return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)

    tx = ro.inject_hyperparams(make)(0.1)
    with pytest.raises(jax.errors.TracerBoolConversionError):
        tx.update(GRADS, tx.init(PARAMS), PARAMS, value=1.0)


@pytest.mark.parametrize("mask", [
    lambda params: jax.tree.map(lambda w: w.ndim > 1, params),
    lambda params: {"w": True, "b": False},
    lambda params: params["w"],
])  # fmt: skip
def test_a_function_that_is_no_schedule_is_named(mask):
    with pytest.raises(TypeError, match=r"mask=<lambda> was taken for a schedule.*static_args"):
        ro.inject_hyperparams(ro.adamw)(0.1, mask=mask)
    ro.inject_hyperparams(ro.adamw, static_args="mask")(0.1, mask=mask)


def test_keyword_only_extras_are_injected_where_given():
    assert set(injected("sgd").init(PARAMS).hyperparams) == {"learning_rate", "momentum"}
    assert set(ro.inject_hyperparams(ro.trace)(0.9).init(PARAMS).hyperparams) == {"decay"}
    tx = ro.inject_hyperparams(ro.trace)(0.9, dampening=0.1)
    assert float(tx.init(PARAMS).hyperparams["dampening"]) == np.float32(0.1)


@pytest.mark.parametrize(("params", "given", "expected"), [
    (jnp.bfloat16, None, jnp.float32), (jnp.float32, None, jnp.float32),
    (jnp.float64, None, jnp.float64), (jnp.complex64, None, jnp.float32),
    (jnp.float32, jnp.bfloat16, jnp.bfloat16),
])  # fmt: skip
def test_the_dtype_of_hyperparameters(params, given, expected):
    with jax.enable_x64(True):
        tx = ro.inject_hyperparams(ro.sgd, hyperparam_dtype=given)(0.1, 0.9)
        w = jnp.ones(2, params)
        state = tx.init(w)
        assert {x.dtype for x in state.hyperparams.values()} == {jnp.dtype(expected)}
        updates, after = tx.update(w, state, w)
        assert updates.dtype == w.dtype
        assert {x.dtype for x in after.hyperparams.values()} == {jnp.dtype(expected)}


def test_optax_rounds_the_decay_of_bfloat16_parameters_to_one():
    """Which is why hyperparameters here are float32 at least."""
    w = jnp.ones(2, jnp.bfloat16)
    theirs = optax.inject_hyperparams(optax.adam)(0.1).init(w).hyperparams["b2"]
    ours = ro.inject_hyperparams(ro.adam)(0.1).init(w).hyperparams["b2"]
    assert (float(theirs), float(ours)) == (1.0, np.float32(0.999))


def test_a_python_number_may_be_put_in():
    tx = injected("adam")
    state = tx.init(PARAMS)
    state.hyperparams["learning_rate"] = 0.25
    assert float(ro.learning_rate(tx, state)) == 0.25
    _, state = tx.update(GRADS, state, PARAMS)
    rate = state.hyperparams["learning_rate"]
    assert (float(rate), rate.dtype, rate.weak_type) == (0.25, jnp.float32, False)


def test_a_wrong_number_is_refused_where_it_is_known():
    tx = injected("adam")
    state = tx.init(PARAMS)
    state.hyperparams["b1"] = jnp.array(1.5)
    with pytest.raises(ValueError, match=r"b1 must be in \[0, 1\)"):
        tx.update(GRADS, state, PARAMS)
    with pytest.raises(ValueError, match="learning_rate must be in"):
        injected("adam", -1.0)


def test_makers_with_arguments_of_any_kind():
    def make(factor, /, *rest, twice=1.0, **others):
        return ro.scale(factor * twice * others.get("third", 1.0) * (rest[0] if rest else 1.0))

    tx = ro.inject_hyperparams(make)(2.0, 3.0, twice=5.0, third=7.0)
    state = tx.init(PARAMS)
    assert set(state.hyperparams) == {"factor", "twice"}
    close(tx.update(GRADS, state)[0], jax.tree.map(lambda g: 210.0 * g, GRADS))


# --- schedules ----------------------------------------------------------------------------


def test_a_schedule_of_any_hyperparameter():
    tx = ro.inject_hyperparams(ro.adam)(0.1, b1=lambda t: 0.5 + t / 10)
    state = tx.init(PARAMS)
    for t in range(3):
        _, state = tx.update(GRADS, state, PARAMS)
        np.testing.assert_allclose(state.hyperparams["b1"], 0.5 + t / 10, rtol=1e-6)


class FollowsValue:
    """A stateful schedule: the largest value so far, as given to ``update``."""

    def init(self):
        return jnp.zeros([])

    def update(self, state, *, value=0.0, **_):
        return jnp.maximum(state, value)

    def __call__(self, state, *, value=0.0, **_):
        return 0.1 * jnp.maximum(state, value)


def test_stateful_schedules_get_the_extra_arguments():
    ours = ro.inject_hyperparams(ro.sgd)(FollowsValue())
    theirs = optax.inject_hyperparams(optax.sgd)(FollowsValue())
    a, b = ours.init(PARAMS), theirs.init(PARAMS)
    for value in (1.0, 3.0, 2.0):
        u, a = ours.update(GRADS, a, PARAMS, value=jnp.array(value))
        v, b = theirs.update(GRADS, b, PARAMS, value=jnp.array(value))
        close((u, a), (v, b))
    np.testing.assert_allclose(ro.learning_rate(ours, a), 0.3, rtol=1e-6)


# --- what others see of it ----------------------------------------------------------------


@pytest.mark.parametrize("wrap", [
    lambda tx: tx,
    lambda tx: ro.chain(ro.clip(1.0), tx),
    lambda tx: ro.apply_if_finite(tx),
    lambda tx: ro.partition({"all": tx}, "all"),
], ids=["plain", "chain", "gate", "partition"])  # fmt: skip
def test_the_learning_rate_is_the_one_the_next_update_uses(wrap):
    def rate(tx, state):
        found = ro.learning_rate(tx, state)
        return round(float(found["all"] if isinstance(found, dict) else found), 6)

    constant, rising = wrap(injected("adam", 0.25)), wrap(injected("adam", RISING))
    states = {}
    for tx in (constant, rising):
        _, states[tx] = run(tx, 3)
    assert rate(constant, states[constant]) == 0.25
    assert rate(rising, states[rising]) == 0.3
    constant_state = optax.tree.set(states[constant], learning_rate=jnp.array(0.125))
    assert rate(constant, constant_state) == 0.125


def test_factors_beside_the_injected_rate_count():
    tx = ro.inject_hyperparams(lambda rate, factor: ro.chain(ro.sgd(rate), ro.scale(factor)))
    tx = tx(rate=0.5, factor=0.5)
    assert float(ro.learning_rate(tx, tx.init(PARAMS))) == 0.25


def test_every_hyperparameter_in_force():
    tx = ro.inject_hyperparams(ro.adam)(RISING, b1=0.8)
    _, state = run(tx, 2)
    state.hyperparams["b1"] = jnp.array(0.5)
    found = ro.hyperparams(tx, state)
    for path in ("learning_rate", "adam/scale_by_learning_rate/learning_rate"):
        np.testing.assert_allclose(found[path], 0.2, rtol=1e-6)
    assert float(found["b1"]) == float(found["adam/scale_by_adam/b1"]) == 0.5


def test_in_a_training_step_the_rate_is_changed_and_reported():
    tx = injected("adamw")
    step = ro.train_step(lambda p: sum(jnp.sum(x**2) for x in jax.tree.leaves(p)), tx)
    state = ro.TrainState.create(PARAMS, tx)
    for rate in (0.1, 0.01):
        rates = state.opt_state.hyperparams | {"learning_rate": jnp.float32(rate)}
        state = state._replace(opt_state=state.opt_state._replace(hyperparams=rates))
        state, metrics = step(state)
        np.testing.assert_allclose(metrics["learning_rate"], rate, rtol=1e-6)


@pytest.mark.parametrize("how", ["coupled", "decoupled", "cautious", "proximal"])
def test_regularised_like_the_transformation_itself(how):
    r = ro.l2(0.3).on(ro.select("w"))
    tx = ro.regularize(injected("adam"), r, how)
    close(run(tx)[0], run(ro.regularize(ro.adam(0.1), r, how))[0])
    start = tx.init(PARAMS)
    assert "learning_rate" in start.hyperparams if how != "proximal" else True
    changed = optax.tree.set(start, learning_rate=jnp.array(0.5))
    close(run(tx, state=changed)[0], run(ro.regularize(ro.adam(0.5), r, how))[0])


def test_independent_decay_is_relative_to_a_given_rate():
    r = ro.l2(0.3)
    with pytest.raises(ValueError, match="needs peak="):
        ro.regularize(injected("adam"), r, "independent")
    tx = ro.regularize(injected("adam"), r, "independent", peak=0.2)
    close(run(tx)[0], run(ro.regularize(ro.adam(0.1), r, "independent", peak=0.2))[0])


def test_a_gate_inside_holds_the_proximal_map_back_too():
    tx = ro.inject_hyperparams(lambda rate: ro.accumulate(ro.adam(rate), 2))(0.1)
    tx, plain = (ro.proximal(t, ro.l1(0.5)) for t in (tx, ro.accumulate(ro.adam(0.1), 2)))
    close(run(tx)[0], run(plain)[0])
    params, _ = tx.step(GRADS, tx.init(PARAMS), PARAMS)
    close(params, PARAMS)


def test_around_an_accumulation_a_step_is_in_place():
    tx = ro.inject_hyperparams(lambda rate: ro.accumulate(ro.adam(rate), 2))(0.1)
    state, params = tx.init(PARAMS), PARAMS
    for _ in range(4):
        params, state = jax.jit(tx.step)(GRADS, state, params)
    close(params, run(tx, 4)[0])


def test_a_state_of_optax_goes_on_under_ours_and_back():
    ours, theirs = injected("sgd", RISING), optax.inject_hyperparams(optax.sgd)(RISING, 0.9)
    _, mine = run(ours)
    _, other = run(theirs)
    close(run(ours, state=other), run(theirs, state=mine))


def test_the_other_name():
    assert ro.inject_stateful_hyperparams is ro.inject_hyperparams


def test_outside_jit_the_steps_share_their_program():
    traced = []

    def make(rate):
        def update(updates, state, params=None):
            traced.append(1)
            return jax.tree.map(lambda u: -rate * u, updates), state

        return optax.GradientTransformation(lambda params: optax.EmptyState(), update)

    tx = ro.inject_hyperparams(make)(0.1)
    state = tx.init(PARAMS)
    for rate in (0.1, 0.2, 0.3):
        state.hyperparams["rate"] = jnp.float32(rate)
        updates, state = tx.update(GRADS, state, PARAMS, value=1.0, count=int(10 * rate), on=True)
        np.testing.assert_allclose(updates["w"], -rate * GRADS["w"], rtol=1e-6)
    assert len(traced) == 1
    tx.update(GRADS, state, PARAMS, value_fn=jnp.sum)
    assert len(traced) == 2
