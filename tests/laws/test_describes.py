"""What a transformation says of itself is true: its metric, and whether it is elementwise."""

import functools
import inspect
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro
from regopt_jax.inspect.hyperparams import has_learning_rate
from tests.cases import CASES
from tests.laws import runs
from tests.laws.rows import has_metric, is_chain, only, rows, with_metric
from tests.laws.runs import COMPLEX, FLOAT64, STEPS, Layer, at, close, home, ours


@pytest.mark.parametrize("case", [c for c in CASES if c.numerator], ids=repr)
def test_the_update_is_the_numerator_over_the_metric(case):
    run = ours(case, FLOAT64)
    _, gradients = runs.data(case, FLOAT64)
    for t in (0, 1, 2, STEPS - 1):
        steps = at(run.steps, t)
        with run.session():
            metric = jax.jit(run.tx.metric)(steps.states, steps.params)
            numerator = case.numerator(at(gradients, t), steps.states, t + 1)
        leaves = map(jax.tree.leaves, (steps.updates, metric, numerator))
        for u, d, n in zip(*leaves, strict=True):
            u, n = np.asarray(u), np.asarray(n)
            d = np.broadcast_to(d, u.shape)
            known = np.isfinite(d)
            np.testing.assert_allclose(u[known] * d[known], n[known], rtol=1e-12, atol=1e-300)
            assert np.all(u[~known] == 0)


@with_metric
def test_the_metric_is_a_positive_real_diagonal(case):
    run = ours(case, home(case))
    with run.session():
        metric = jax.jit(run.tx.metric)(run.middle[1], run.middle[0])
    assert jax.tree.structure(metric) == jax.tree.structure(run.params)
    for d, p in zip(jax.tree.leaves(metric), jax.tree.leaves(run.params), strict=True):
        assert not np.iscomplexobj(d)
        assert np.all(np.asarray(d) > 0)
        assert np.broadcast_shapes(np.shape(d), p.shape) == p.shape


STEADY = [case for case in CASES if not case.unsteady]


@pytest.mark.parametrize("case", STEADY, ids=repr)
@only(has_metric, "has no metric")
def test_a_gradient_that_stays_the_same_is_divided_by_the_metric(case):
    """Once the moments have settled; so a proximal map undoes the step at a solution."""
    with runs.session(FLOAT64, case.theirs_inside):
        g = {"dense": Layer(jnp.array([[1e-4, -2e-4], [3e-5, 1e-4]]), jnp.array([-1e-4, 5e-5]))}
        w = jax.tree.map(jnp.zeros_like, g)
        tx = case.ours()

        @jax.jit
        def settled():
            def step(carry, _):
                _, state = carry
                return tx.update(g, state, w), None

            (updates, state), _ = jax.lax.scan(step, (g, tx.init(w)), None, length=2000)
            return updates, tx.metric(state, w)

        tolerance = max(1e-4, runs.rounding(case)(jnp.float64))
        for u, d, slope in zip(*map(jax.tree.leaves, (*settled(), g)), strict=True):
            moving = np.isfinite(np.broadcast_to(d, u.shape))
            gradient = np.abs(u * d)[moving]
            np.testing.assert_allclose(gradient, np.abs(slope)[moving], rtol=tolerance)
            assert np.all(u[~moving] == 0)


def given_rate(case):
    """The number that a row gives, or leaves, as the learning rate."""
    arguments = inspect.signature(case.make.func).bind(*case.make.args, **case.make.keywords)
    arguments.apply_defaults()
    given = arguments.arguments
    rate = given.get("learning_rate", given.get("lr"))
    if not isinstance(rate, int | float) or given.get("warmup_steps"):
        return None
    return rate if given.get("flip_sign", True) else -rate


@pytest.mark.parametrize("case", [c for c in CASES if given_rate(c) is not None], ids=repr)
def test_the_learning_rate_is_the_one_given_or_unknown(case):
    tx, w = case.ours(), {"dense": Layer(jnp.ones((2, 2)), jnp.ones(2))}
    with runs.session(FLOAT64, case.theirs_inside):
        if not has_learning_rate(tx):
            with pytest.raises(ValueError, match="no part of"):
                ro.learning_rate(tx, tx.init(w))
            return
        found = ro.learning_rate(tx, tx.init(w))
        np.testing.assert_allclose(jax.tree.leaves(found)[0], given_rate(case), rtol=1e-6)


@with_metric
def test_the_metric_of_complex_parameters_is_real(case):
    params = runs.shapes(case, COMPLEX)
    if case.real:
        pytest.skip("refuses complex parameters")
    with runs.session(COMPLEX, case.theirs_inside):
        tx = case.ours()
        metric = jax.eval_shape(tx.metric, jax.eval_shape(tx.init, params), params)
    for path, d in jax.tree.leaves_with_path(metric):
        assert not jnp.issubdtype(d.dtype, jnp.complexfloating), jax.tree_util.keystr(path)


def test_of_a_complex_metric_the_real_part_counts():
    """As of a slot that is like the parameters: its imaginary part is zero."""
    tx = ro.leafwise(
        lambda g, r: (g / r, r),
        role="precondition",
        state=ro.TraceState,
        init=jnp.ones_like,
        metric=lambda r: r,
    )
    w = jnp.array([3.0 + 4.0j])
    metric = tx.metric(tx.init(w), w)
    assert (metric.dtype, metric.tolist()) == (jnp.float32, [1.0])


@rows
@only(lambda case: is_chain(case) and has_metric(case), "no chain with a metric")
def test_the_metric_of_a_chain_is_the_product_of_its_parts(case):
    run = ours(case, home(case))
    params, state = run.middle

    @jax.jit
    def both(state, params):
        states = run.tx.nature.lens.get(state)
        each = [part.metric(s, params) for part, s in zip(run.tx.parts, states, strict=True)]
        product = jax.tree.map(lambda *ds: functools.reduce(operator.mul, ds), *each)
        return run.tx.metric(state, params), product

    with run.session():
        close(*both(state, params), runs.ulps(2))


@rows
@only(lambda case: case.leaves_alike and case.ours().elementwise, "not elementwise")
def test_elementwise_means_that_one_long_vector_gives_the_same(case):
    """All leaves in one vector, shuffled: same elements, other neighbours."""
    run = ours(case, FLOAT64)
    order = np.random.default_rng(2).permutation(sum(x.size for x in runs.real_leaves(run.params)))

    def vector(tree, axis):
        """The real leaves of a tree, or stack of trees, end to end."""
        leaves = [np.reshape(x, (*x.shape[:axis], -1)) for x in runs.real_leaves(tree)]
        return jnp.asarray(np.concatenate(leaves, axis)[..., order])

    def padded(real, tree):
        """Numbers from the whole tree need the complex leaf too."""
        return {"all": real, **({"wave": tree["wave"]} if "wave" in tree else {})}

    steps = 3
    with run.session():
        params = padded(vector(run.params, 0), run.params)
        state, update = run.tx.init(params), jax.jit(run.tx.update)
        for t in range(steps):
            g = at(run.halves[0], t)
            updates, state = update(padded(vector(g, 0), g), state, params)
            after = at(run.steps.params, t)
            params = padded(vector(after, 0), after)
    close(updates["all"], vector(at(run.steps.updates, steps - 1), 0), runs.rounding(case))
