"""Every regulariser against a numerical argmin, its own definition and convex analysis."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings, strategies as st

import regopt_jax as ro
from regopt_jax.inspect.catalogue import catalogue
from tests.cases.penalties import PENALTIES

ROWS = {case.name: case for case in PENALTIES}


def over(condition):
    return pytest.mark.parametrize("case", [*filter(condition, PENALTIES)], ids=repr)


cases, convex_cases = over(lambda case: True), over(lambda case: case.convex)
smooth_cases = over(lambda case: case.smooth)
convex_smooth_cases = over(lambda case: case.convex and case.smooth)
seeds = st.integers(0, 10_000)
strengths = st.floats(1e-2, 3.0)
few = settings(max_examples=8, deadline=None)


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


@functools.cache
def jitted(case, method):
    return jax.jit(lambda strength, *args: getattr(case.make(strength), method)(*args))


def point(case, seed, scale=1.5):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=case.shape) * scale
    metric = np.exp(rng.normal(size=case.shape)) if case.diagonal else np.exp(rng.normal())
    return jnp.asarray(z), jnp.asarray(metric)


def inner(metric, a, b):
    return float(jnp.sum(metric * a * b))


@functools.cache
def objectives(case):
    def value(strength, z, metric, x):
        return 0.5 * jnp.sum(metric * (x - z) ** 2) + case.make(strength).value(x)

    return jax.jit(jax.vmap(value, in_axes=(None, None, None, 0)))


@functools.cache
def projections(case):
    return jax.jit(jax.vmap(lambda y: case.make(0.0).prox(y)))


@cases
@few
@given(seed=seeds, strength=strengths)
def test_prox_is_the_argmin(case, seed, strength):
    """No point nearby, far away, or with any of its elements zero has a lower objective."""
    z, metric = point(case, seed)
    x = np.asarray(jitted(case, "prox")(strength, z, metric))
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(4000, *case.shape))
    scales = 10 ** rng.uniform(-7, 1, size=(4000, 1, 1))
    masks = (np.arange(2**x.size)[:, None] >> np.arange(x.size) & 1).reshape(-1, *case.shape)
    near = x + scales * directions
    if not case.smooth:
        near = np.asarray(projections(case)(near))
    candidates = [x[None], near, masks * x, masks * np.asarray(z), near * (x != 0)]
    found = np.asarray(objectives(case)(strength, z, metric, np.concatenate(candidates)))
    assert np.isfinite(found[0])
    assert found[0] <= found.min() + 1e-12 * max(1, abs(found[0]))


@over(lambda case: case.separable)
@few
@given(seed=seeds, strength=strengths)
def test_a_separable_prox_is_the_best_of_a_grid(case, seed, strength):
    """Brute force: 20,001 points for each element, its own value and zero among them."""
    z, metric = point(case, seed)
    x = np.asarray(jitted(case, "prox")(strength, z, metric))
    grid = np.sort(np.concatenate([np.linspace(-8, 8, 19_992), [0.0], np.ravel(z), x.ravel()]))
    costs = np.asarray(each_cost(case)(strength, np.ravel(z), np.ravel(metric), grid))
    found = np.asarray(each_cost(case)(strength, np.ravel(z), np.ravel(metric), x.ravel()))
    own = np.diagonal(found)
    assert np.all(np.isfinite(own))
    assert np.all(own <= costs.min(axis=1) + 1e-12 * np.maximum(1, np.abs(own)))


@functools.cache
def each_cost(case):
    """The objective of each element z at each point x: its axes are those of z and x."""

    def cost(strength, z, d, x):
        return 0.5 * d * (x - z) ** 2 + case.make(strength).value(x)

    of_all_x = jax.vmap(cost, in_axes=(None, None, None, 0))
    return jax.jit(jax.vmap(of_all_x, in_axes=(None, 0, 0, None)))


@cases
def test_prox_is_where_a_search_of_its_own_ends(case):
    z, metric = point(case, 11)
    x = np.asarray(jitted(case, "prox")(0.3, z, metric))

    def objective(v):
        point = jnp.asarray(v.reshape((1, *case.shape)))
        return min(float(objectives(case)(0.3, z, metric, point)[0]), 1e6)

    options = {"xatol": 1e-8, "fatol": 1e-13, "maxfev": 600}
    end = scipy.optimize.minimize(objective, x.ravel(), method="Nelder-Mead", options=options)
    assert objective(x) <= end.fun + 1e-9


@smooth_cases
def test_prox_meets_the_optimality_condition(case):
    """Away from the axes, D(x - z) + grad R(x) = 0 to rounding."""
    z, metric = point(case, 3, scale=3.0)
    x = jitted(case, "prox")(0.02, z, metric)
    assert bool(jnp.all(x != 0)), "the test wants a point away from the axes"
    residual = metric * (x - z) + jitted(case, "grad")(0.02, x)
    np.testing.assert_allclose(residual, 0, atol=1e-12)


@smooth_cases
@few
@given(seed=seeds)
def test_grad_is_the_derivative_of_value(case, seed):
    x, _ = point(case, seed)
    numeric = jax.grad(lambda x: jitted(case, "value")(0.7, x))(x)
    np.testing.assert_allclose(jitted(case, "grad")(0.7, x), numeric, rtol=1e-10, atol=1e-12)


@convex_smooth_cases
@few
@given(seed=seeds, zeros=st.integers(0, 15))
def test_grad_is_a_subgradient_of_a_convex_penalty(case, seed, zeros):
    x, _ = point(case, seed)
    x = x * jnp.asarray(((zeros >> np.arange(x.size)) & 1).reshape(x.shape), float)
    slope = jitted(case, "grad")(0.7, x)
    assert bool(jnp.all(jnp.isfinite(slope)))
    others = np.random.default_rng(seed + 1).normal(size=(20, *case.shape)) * 2
    values = [float(jitted(case, "value")(0.7, y)) for y in others]
    rise = np.sum(np.asarray(slope) * (others - np.asarray(x)), axis=(1, 2))
    assert np.all(values >= float(jitted(case, "value")(0.7, x)) + rise - 1e-10)


@convex_cases
@few
@given(seed=seeds, strength=strengths)
def test_prox_is_firmly_nonexpansive_in_the_metric(case, seed, strength):
    a, metric = point(case, seed)
    b, _ = point(case, seed + 1)
    x, y = (jitted(case, "prox")(strength, z, metric) for z in (a, b))
    assert inner(metric, x - y, x - y) <= inner(metric, x - y, a - b) + 1e-10


@cases
def test_a_vanishing_strength_is_the_identity_and_a_huge_one_the_minimiser(case):
    z, metric = point(case, 5)
    if case.smooth:
        np.testing.assert_allclose(jitted(case, "prox")(1e-13, z, metric), z, atol=1e-5)
        np.testing.assert_allclose(jitted(case, "prox")(0.0, z, metric), z, rtol=1e-14)
    if case.shrinks_to_zero:
        np.testing.assert_allclose(jitted(case, "prox")(1e13, z, metric), 0, atol=1e-10)


@cases
def test_prox_of_a_constant_metric_tree_is_the_scalar_one(case):
    z, _ = point(case, 8)
    metric = jnp.full(case.shape, 1.7) if case.diagonal else jnp.full((1, 1), 1.7)
    np.testing.assert_allclose(
        jitted(case, "prox")(0.4, z, metric),
        jitted(case, "prox")(0.4, z, 1.7),
        rtol=1e-12,
        atol=1e-14,
    )


@cases
def test_prox_eagerly_and_under_vmap(case):
    z, metric = point(case, 4)
    compiled = functools.partial(jitted(case, "prox"), 0.3)
    np.testing.assert_allclose(case.make(0.3).prox(z, metric), compiled(z, metric), rtol=1e-12)
    points = jnp.stack([z, 2 * z, -z])
    mapped = jax.vmap(lambda p: compiled(p, metric))(points)
    each = jnp.stack([compiled(p, metric) for p in points])
    np.testing.assert_allclose(mapped, each, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@cases
def test_prox_keeps_low_precision_and_its_exact_zeros(case, dtype):
    z, metric = point(case, 6)
    x = jax.jit(case.make(0.5).prox)(z.astype(dtype), metric.astype(dtype))
    assert x.dtype == dtype
    wide = jitted(case, "prox")(0.5, z, metric)
    tolerance = 1e-5 if dtype == jnp.float32 else 0.05
    np.testing.assert_allclose(np.asarray(x, np.float64), wide, atol=tolerance)
    if dtype == jnp.float32:
        np.testing.assert_array_equal(np.asarray(x) == 0, np.asarray(wide) == 0)


@few
@given(seed=seeds, strength=strengths, step=st.floats(0.1, 5.0))
def test_moreau_identity(seed, strength, step):
    """z = prox of R + (projection on the dual ball) / d, with the conjugate known."""
    z, _ = point(ROWS["l1"], seed)
    dual = {
        "l1": (ro.l1(strength), lambda v: jnp.clip(v, -strength, strength)),
        "group": (ro.group_lasso(strength, axis=()), lambda v: ro.l2_ball(strength).prox(v)),
        "nuclear": (ro.nuclear_norm(strength), lambda v: spectral_ball(v, strength)),
        "l2": (ro.l2(strength), lambda v: v * strength / (strength + step)),
    }
    for name, (regularizer, project) in dual.items():
        rebuilt = regularizer.prox(z, step) + project(step * z) / step
        np.testing.assert_allclose(rebuilt, z, rtol=1e-10, atol=1e-12, err_msg=name)


def spectral_ball(v, radius):
    u, s, vh = np.linalg.svd(np.asarray(v))
    return (u * np.minimum(s, radius)) @ vh


def test_group_lasso_in_a_diagonal_metric_is_exact_over_twelve_decades():
    rng = np.random.default_rng(0)
    for _ in range(50):
        z = rng.normal(size=(6, 4)) * 10 ** rng.uniform(-3, 3)
        metric = 10 ** rng.uniform(-6, 6, size=(6, 4))
        strength = 10 ** rng.uniform(-3, 3)
        x = np.asarray(ro.group_lasso(strength).prox(jnp.asarray(z), jnp.asarray(metric)))
        pull = np.linalg.norm(metric * z, axis=0)
        np.testing.assert_array_equal(np.all(x == 0, axis=0), pull <= strength)
        norms = np.linalg.norm(x, axis=0)
        expected = np.where(norms > 0, metric * norms * z / (metric * norms + strength), 0)
        np.testing.assert_allclose(x, expected, rtol=1e-12)


def test_group_lasso_prox_is_differentiable():
    z, metric = point(ROWS["group_lasso"], 2, scale=4.0)

    def total(z):
        return jnp.sum(jnp.sin(ro.group_lasso(0.5).prox(z, metric)))

    slope = jax.grad(total)(z)
    step = 1e-6
    for index in np.ndindex(z.shape):
        shift = np.zeros(z.shape)
        shift[index] = step
        numeric = (total(z + shift) - total(z - shift)) / (2 * step)
        np.testing.assert_allclose(slope[index], numeric, rtol=1e-6)


def test_group_axes_name_the_groups():
    kernel = jnp.zeros((3, 3, 2, 4)).at[..., 1].set(1.0)
    by_output = ro.group_lasso(1.0, axis=-1).value(kernel)
    np.testing.assert_allclose(by_output, np.sqrt(18))
    by_position = ro.group_lasso(1.0, axis=(0, 1)).value(kernel)
    np.testing.assert_allclose(by_position, 9 * np.sqrt(2))
    weighted = ro.group_lasso(1.0, axis=-1, size_weighted=True).value(kernel)
    np.testing.assert_allclose(weighted, np.sqrt(18) * np.sqrt(18))


def test_unit_columns():
    z = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 4)))
    x = ro.unit_columns().prox(z)
    np.testing.assert_allclose(jnp.sum(x**2, axis=(0, 1)), 1, rtol=1e-14)
    np.testing.assert_allclose(jnp.sum((x * z), axis=(0, 1)), jnp.sqrt(jnp.sum(z**2, (0, 1))))
    assert float(ro.unit_columns().value(x)) == 0
    np.testing.assert_allclose(jnp.sum(ro.unit_columns().prox(0 * z) ** 2, axis=(0, 1)), 1)


def test_indicators_are_zero_inside_and_infinite_outside():
    inside, outside = jnp.array([[0.2, 0.3], [0.1, 0.4]]), jnp.array([[2.0, -3.0], [0.1, 0.2]])
    for regularizer in (
        ro.nonnegative(),
        ro.box(-1, 1),
        ro.l2_ball(1.0),
        ro.l1_ball(1.0),
        ro.simplex(1.0),
    ):
        assert float(regularizer.value(inside)) == 0, regularizer
        assert float(regularizer.value(outside)) == np.inf, regularizer
        assert float(regularizer.value(regularizer.prox(outside))) == 0, regularizer


def test_every_public_regulariser_has_a_row():
    public = {entry.name for entry in catalogue() if entry.kind == "regularisers"}
    assert public - {case.public_name for case in PENALTIES} == set()


@pytest.mark.parametrize(
    ("case", "name"),
    [pytest.param(case, name, id=f"{case}-{name}") for case in PENALTIES for name in case.wrong],
)
def test_bad_hyperparameters_are_named(case, name):
    make = getattr(ro, case.public_name)
    parameters = inspect.signature(make).parameters.values()
    required = {p.name: 1.0 for p in parameters if p.default is p.empty}
    with pytest.raises(ValueError, match=f"^{case.public_name}: {name} must be "):
        make(**{**required, name: case.wrong[name]})


def test_a_factor_is_not_negative():
    with pytest.raises(ValueError, match="factor must be in"):
        -1.0 * ro.l1(1.0)


@pytest.mark.parametrize(
    ("regularizer", "x", "metric", "message"),
    [
        (ro.group_lasso(1.0, axis=3), jnp.ones(2), 1.0, "axis 3 is outside"),
        (
            ro.group_lasso(1.0, labels=lambda shape: np.zeros(3, int)),
            jnp.ones(2),
            1.0,
            "labels must give integers",
        ),
        (ro.nuclear_norm(1.0), jnp.ones(2), 1.0, "is not a matrix"),
        (ro.nuclear_norm(1.0), jnp.ones((2, 2)), jnp.ones((2, 2)), "Use proximal with sgd"),
        (ro.simplex(), jnp.ones((2, 2)), jnp.ones((2, 2)), "Use proximal with sgd"),
        (ro.l1(1.0) + ro.l0(1.0), jnp.ones(2), 1.0, "L1 . L0 on the same leaf"),
        (ro.group_lasso(1.0, 0) + ro.group_lasso(1.0, 1), jnp.ones((2, 2)), 1.0, "no known closed"),
    ],
)
def test_what_is_not_known_says_what_to_do(regularizer, x, metric, message):
    with pytest.raises(ValueError, match=message):
        regularizer.prox(x, metric)


def test_different_leaves_may_have_any_penalties():
    regularizer = ro.l1(1.0).on(ro.select("a")) + ro.l0(1.0).on(ro.select("b"))
    x = regularizer.prox({"a": jnp.array([3.0]), "b": jnp.array([3.0])})
    assert x["a"].tolist() == [2.0]
    assert x["b"].tolist() == [3.0]


# --- in every placement -------------------------------------------------------------------


@cases
def test_after_the_step_it_is_its_proximal_map(case):
    z, _ = point(case, 12)
    g = jnp.cos(z)
    tx = ro.proximal(ro.sgd(0.1), case.make(0.3))
    w, _ = jax.jit(tx.step)(g, tx.init(z), z)
    np.testing.assert_allclose(w, jitted(case, "prox")(0.3, z - 0.1 * g, 10.0), rtol=1e-12)


@over(lambda case: case.smooth and case.name != "l0")  # which is refused there
def test_in_the_loss_and_in_the_gradient_it_is_its_slope(case):
    z, _ = point(case, 12)
    slope = jitted(case, "grad")(0.3, z)
    tx = ro.coupled(case.make(0.3))
    np.testing.assert_allclose(tx.update(z, tx.init(z), z)[0], z + slope, rtol=1e-12)
    loss = ro.penalize(lambda w: jnp.sum(jnp.sin(w)), case.make(0.3))
    np.testing.assert_allclose(jax.grad(loss)(z), jnp.cos(z) + slope, rtol=1e-10, atol=1e-12)


@cases
def test_it_prints_compares_and_restricts(case):
    assert case.make(0.5) == case.make(0.5)
    assert repr(case.make(0.5)) == repr(case.make(0.5))
    assert case.make(0.5) != case.make(0.5).on(ro.select("w"))
    z, metric = point(case, 13)
    tree = {"w": z, "b": z}
    there = case.make(0.5).on(ro.select("w")).prox(tree, {"w": metric, "b": metric})
    np.testing.assert_array_equal(there["b"], z)
    np.testing.assert_allclose(there["w"], case.make(0.5).prox(z, metric), rtol=1e-12)
