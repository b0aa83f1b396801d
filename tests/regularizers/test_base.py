"""Regularisers as an algebra on trees; each penalty's mathematics is in test_penalties."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings, strategies as st

import regopt_jax as ro
from regopt_jax.regularizers.penalties import Penalty
from tests.cases.penalties import PENALTIES

PARAMS = {"w": jnp.array([1.0, -2.0, 0.0]), "deep": {"b": jnp.array([[3.0, -0.5]])}}
points = st.floats(-5.0, 5.0)
strengths = st.floats(0.0, 3.0, width=32, allow_subnormal=False)
metrics = st.floats(0.05, 20.0)


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def same(a, b, rtol=1e-6):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-7), a, b)


def test_values():
    assert float(ro.l1(2.0).value(PARAMS)) == 2 * 6.5
    assert float(ro.l2(2.0).value(PARAMS)) == 14.25
    assert float(ro.elastic_net(2.0, 4.0).value(PARAMS)) == 2 * 6.5 + 2 * 14.25
    assert float(ro.l1(1.0).value({})) == 0.0


def test_gradients():
    grad = ro.elastic_net(0.5, 2.0).grad(PARAMS)
    assert grad["w"].tolist() == [2.5, -4.5, 0.0]
    assert grad["deep"]["b"].tolist() == [[6.5, -1.5]]


def test_the_lectures_l2_is_twice_as_strong():
    squares = sum(float(jnp.sum(x**2)) for x in jax.tree.leaves(PARAMS))
    assert float(ro.l2(2 * 0.25).value(PARAMS)) == 0.25 * squares


@settings(deadline=None, max_examples=30)
@given(z=points, d=metrics, a=strengths, b=strengths)
def test_prox_of_the_elastic_net_is_the_argmin(z, d, a, b):
    with jax.enable_x64(True):
        x = float(ro.elastic_net(a, b).prox(jnp.asarray(z), d))
    found = scipy.optimize.minimize_scalar(
        lambda t: 0.5 * d * (t - z) ** 2 + a * abs(t) + 0.5 * b * t**2,
        bounds=(-6, 6),
        method="bounded",
        options={"xatol": 1e-10},
    )
    np.testing.assert_allclose(x, found.x, atol=2e-7)
    closed = np.sign(z) * max(abs(z) - a / d, 0) / (1 + b / d)
    np.testing.assert_allclose(x, closed, rtol=1e-12, atol=1e-15)


# --- adding, scaling, restricting ---------------------------------------------------------


@settings(deadline=None, max_examples=20)
@given(a=strengths, b=strengths, c=strengths)
def test_sums_and_multiples(a, b, c):
    mixed = c * (ro.l1(a) + ro.l2(b))
    with jax.enable_x64(True):
        params = jax.tree.map(lambda x: x.astype(jnp.float64), PARAMS)
        value = c * (ro.l1(a).value(params) + ro.l2(b).value(params))
        np.testing.assert_allclose(mixed.value(params), value, rtol=1e-12)
        np.testing.assert_allclose((ro.l1(a) * c).value(params), (c * ro.l1(a)).value(params))
        by_hand = jax.tree.map(lambda x: c * (a * jnp.sign(x) + b * x), params)
        same(mixed.grad(params), by_hand)
        same(mixed.prox(params, 2.0), ro.elastic_net(c * a, c * b).prox(params, 2.0))


def test_the_order_of_a_sum_does_not_matter():
    same((ro.l2(0.5) + ro.l1(0.3)).prox(PARAMS), (ro.l1(0.3) + ro.l2(0.5)).prox(PARAMS))
    same((ro.l1(0.1) + ro.l1(0.2)).prox(PARAMS), ro.l1(0.3).prox(PARAMS))


def test_a_penalty_that_says_nothing_of_signs_is_not_taken_to_be_even():
    @dataclasses.dataclass(frozen=True)
    class Tilted(Penalty):
        """r(x) = Σ x: not even, so the map onto x ≥ 0 does not simply go first."""

        def value(self, x):
            return jnp.sum(x)

        def prox(self, z, strength, metric):
            return z - strength / metric

    tilted = ro.penalty(Tilted(), 1.0)
    with pytest.raises(ValueError, match="proximal map"):
        (ro.nonnegative() + tilted).prox(PARAMS)


def test_restricted_to_a_selection():
    R = ro.l1(1.0).on(ro.select("w")) + ro.l2(2.0).on(ro.select("**/b"))
    assert float(R.value(PARAMS)) == 3.0 + 9.25
    grad = R.grad(PARAMS)
    assert grad["w"].tolist() == [1.0, -1.0, 0.0]
    assert grad["deep"]["b"].tolist() == [[6.0, -1.0]]
    prox = R.prox(PARAMS, 2.0)
    assert prox["w"].tolist() == [0.5, -1.5, 0.0]
    assert prox["deep"]["b"].tolist() == [[1.5, -0.25]]


def test_restricting_twice_is_both():
    R = ro.l1(1.0).on(ro.select(min_ndim=1)).on(ro.select("deep/*"))
    assert float(R.value(PARAMS)) == 3.5
    assert R.grad(PARAMS)["w"].tolist() == [0.0, 0.0, 0.0]


def test_a_selection_that_matches_nothing_is_an_error():
    R = ro.l1(1.0).on(ro.select("**/kernel"))
    for use in (R.value, R.grad, R.prox):
        with pytest.raises(ValueError, match=r"matches no leaf\. There are: deep/b, w"):
            use(PARAMS)


def test_repr():
    R = ro.l1(0.5).on(ro.select("w")) + 2 * ro.l2(0.5)
    assert repr(R) == "0.5 * L1.on(select('w')) + 1 * SquaredL2"


# --- trees --------------------------------------------------------------------------------


def test_prox_in_a_metric_tree_that_broadcasts():
    metric = {"w": jnp.array([1.0, 2.0, 4.0]), "deep": {"b": 2.0}}
    prox = ro.l1(1.0).prox({"w": jnp.full(3, 2.0), "deep": {"b": jnp.full((1, 2), 2.0)}}, metric)
    assert prox["w"].tolist() == [1.0, 1.5, 1.75]
    assert prox["deep"]["b"].tolist() == [[1.5, 1.5]]


def test_none_leaves_are_kept_and_do_not_shift_the_metric():
    params = {"a": None, "b": jnp.array([2.0]), "c": jnp.array([2.0])}
    metric = {"a": None, "b": jnp.array([1.0]), "c": jnp.array([4.0])}
    prox = ro.l1(1.0).prox(params, metric)
    assert prox["a"] is None
    assert (prox["b"].tolist(), prox["c"].tolist()) == ([1.0], [1.75])
    assert ro.l1(1.0).grad(params)["a"] is None
    assert float(ro.l1(1.0).value(params)) == 4.0


def test_a_metric_of_another_structure():
    with pytest.raises(ValueError, match="prox"):
        ro.l1(1.0).prox(PARAMS, {"w": 1.0})


def test_what_is_not_trained_is_left_out():
    R, params = ro.l1(1.0), {"f": jnp.tanh, "n": jnp.array([2]), "w": jnp.array([3.0])}
    assert R.value(params) == 3
    assert R.grad(params) == {"f": None, "n": None, "w": jnp.array([1.0])}
    assert R.prox(params) == params | {"w": jnp.array([2.0])}


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_narrow_floats(dtype):
    x = jnp.ones(5000, dtype)
    value = ro.l1(1.0).value(x)
    assert (value.dtype, float(value)) == (jnp.float32, 5000.0)
    assert ro.l1(0.5).grad(x).dtype == dtype
    assert ro.l1(0.5).prox(x, 2.0).dtype == dtype
    assert float(ro.l1(0.5).prox(x, 2.0)[0]) == 0.75


def test_complex_parameters_shrink_in_magnitude():
    z = jnp.array([3.0 + 4.0j, 0.3j])
    x = ro.l1(1.0).prox(z)
    np.testing.assert_allclose(x, [2.4 + 3.2j, 0], atol=1e-6)
    np.testing.assert_allclose(ro.l1(1.0).value(z), 5.3, rtol=1e-6)
    np.testing.assert_allclose(ro.l2(1.0).value(z), 12.545, rtol=1e-6)


@pytest.mark.usefixtures("x64")
def test_float64_strengths():
    x = ro.l1(0.1).prox(jnp.asarray(np.array([0.3])), 1.0)
    np.testing.assert_allclose(x, [0.3 - 0.1], rtol=1e-15)
    assert ro.l1(0.1).value(jnp.asarray(np.array([0.3]))).dtype == jnp.float64


# --- strengths ----------------------------------------------------------------------------


def test_a_regulariser_is_a_pytree_of_its_strengths():
    R = ro.l1(0.5) + ro.l2(0.25)
    assert jax.tree.leaves(R) == [0.5, 0.25]
    assert float(jax.jit(lambda R, p: R.value(p))(R, PARAMS)) == 0.5 * 6.5 + 0.125 * 14.25
    slopes = jax.grad(lambda R: R.value(PARAMS))(R)
    assert [float(s) for s in jax.tree.leaves(slopes)] == [6.5, 7.125]
    sweep = jax.vmap(lambda strength: ro.l1(strength).prox(jnp.array([2.0])))(jnp.arange(3.0))
    assert sweep.ravel().tolist() == [2.0, 1.0, 0.0]


def test_a_schedule_is_a_strength():
    R = ro.l1(lambda t: 0.5 * t) + 2.0 * ro.l2(lambda t: 1.0 * t) + ro.l1(1.0)
    assert R.scheduled
    assert not R.at(2).scheduled
    assert float(R.at(2).value(jnp.array([3.0]))) == 3.0 + 18.0 + 3.0
    assert float(R.scaled(lambda t: 10.0 * t).at(1).value(jnp.array([1.0]))) == 5.0 + 10.0 + 10.0
    with pytest.raises(ValueError, match=r"has a schedule for a strength.*R.at\(step\)"):
        R.value(PARAMS)


@pytest.mark.parametrize("make", [ro.l1, ro.l2, lambda s: ro.elastic_net(0.0, s)])
@pytest.mark.parametrize("wrong", [-0.1, float("nan"), float("inf")])
def test_a_strength_must_be_finite_and_not_negative(make, wrong):
    with pytest.raises(ValueError, match=r"strength must be in \[0, inf\)"):
        make(wrong)


def test_only_regularisers_add():
    with pytest.raises(TypeError):
        ro.l1(1.0) + 1.0
    with pytest.raises(ValueError, match="factor must be in"):
        -1.0 * ro.l1(1.0)


def test_on_takes_a_selector_and_not_its_pattern():
    with pytest.raises(ValueError, match=r"on: the mask has the string 'w'.*select\('w'\)"):
        ro.l1(1.0).on("w")


STRENGTHS = {"two": jnp.array([1.0, 2.0]), "one of one": jnp.ones(1), "numpy": np.ones((2, 2))}


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("case", [c for c in PENALTIES if c.shrinks_to_zero], ids=repr)
def test_a_strength_is_one_number(case, strength):
    """Weights would be a penalty's own: neither the value nor the slope nor the map takes them."""
    R, w = case.make(STRENGTHS[strength]), jnp.ones((2, 2))
    told = r"the strength of \w+.* must be one number, got an array of shape \("
    for use in (R.value, R.grad, R.prox, (2 * R).prox, (ro.l2(1.0) + R).value, jax.jit(R.grad)):
        with pytest.raises(ValueError, match=told):
            use(w)
    scheduled = ro.l1(lambda step: STRENGTHS[strength])
    with pytest.raises(ValueError, match=told):
        scheduled.at(0).prox(w)
    with pytest.raises(ValueError, match=told):
        ro.proximal(ro.sgd(0.1), R).init(w)


def test_several_strengths_are_mapped_over():
    w = jnp.array([3.0, 4.0])
    R = ro.l1(jnp.array([1.0, 2.0]))
    np.testing.assert_allclose(jax.vmap(lambda R: R.value(w))(R), [7.0, 14.0])
    for one in (jnp.array(2.0), np.float32(2.0), np.array(2.0), 2):
        assert float(ro.l1(one).value(w)) == 14.0


COMPILED_IN = {
    "box": [("low", lambda x: ro.box(x, 1.0)), ("high", lambda x: ro.box(-1.0, x))],
    "l2_ball": [("radius", ro.l2_ball)],
    "l1_ball": [("radius", ro.l1_ball)],
    "simplex": [("total", ro.simplex)],
    "huber_l1": [("delta", lambda x: ro.huber_l1(1.0, x))],
}


@pytest.mark.parametrize("who", COMPILED_IN)
def test_what_is_compiled_in_is_one_number_known_then(who):
    for name, make in COMPILED_IN[who]:
        told = f"^{who}: {name} must be one number, known when it is made, got "
        for wrong in (jnp.ones(2), np.ones((1, 1)), np.array([0.5])):
            with pytest.raises(TypeError, match=told):
                make(wrong)
        with pytest.raises(TypeError, match=told):
            jax.jit(lambda x, make=make: make(x).prox(jnp.ones(2)))(0.5)
        for one in (jnp.array(0.5), np.float32(0.5), np.array(0.5)):
            assert make(one) == make(0.5)
            assert hash(make(one)) == hash(make(0.5))
        with pytest.raises(ValueError, match=f"^{who}: {name} must be in "):
            make(float("nan"))
