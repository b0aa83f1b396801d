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
from tests.laws.runs import FLOAT64, STEPS, Layer, at, close, home, ours

rows = pytest.mark.parametrize("case", CASES, ids=repr)
WITH_METRIC = [case for case in CASES if case.ours().metric]


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


@pytest.mark.parametrize("case", WITH_METRIC, ids=repr)
def test_the_metric_is_a_positive_real_diagonal(case):
    run = ours(case, home(case))
    with run.session():
        metric = jax.jit(run.tx.metric)(run.middle[1], run.middle[0])
    assert jax.tree.structure(metric) == jax.tree.structure(run.params)
    for d, p in zip(jax.tree.leaves(metric), jax.tree.leaves(run.params), strict=True):
        assert not np.iscomplexobj(d)
        assert np.all(np.asarray(d) > 0)
        assert np.broadcast_shapes(np.shape(d), p.shape) == p.shape


# Whose step is not proportional to a gradient that stays the same, and why.
UNSTEADY = {
    "its metric is that of a sign": {
        "scale_by_sign", "sign_sgd", "signum", "scale_by_lion", "lion", "scale_by_rprop", "rprop",
    },
    "acts on what the step leaves": {"proximal", "constant_norm", "keep_params_nonnegative"},
    "adds noise": {"add_noise", "noisy_sgd"},
    "takes the mean away": {"centralize"},
    "its row clips a step of Adam's usual size": {"stable_adamw"},
}  # fmt: skip
STEADY = [
    case
    for case in WITH_METRIC
    if not any(case.public_name in names for names in UNSTEADY.values())
    # Its momentum remembers the rates of a schedule that falls.
    and case.name != "rmsprop-nesterov-bias_correction"
]


@pytest.mark.parametrize("case", STEADY, ids=repr)
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


CHAINS = [c for c in WITH_METRIC if c.ours().composition and c.ours().composition.sequential]


@pytest.mark.parametrize("case", CHAINS, ids=repr)
def test_the_metric_of_a_chain_is_the_product_of_its_parts(case):
    run = ours(case, home(case))
    params, state = run.middle
    with run.session():
        each = [
            jax.jit(part.metric)(s, params)
            for part, s in zip(run.tx.parts, run.tx.composition.states(state), strict=True)
        ]
        product = jax.tree.map(lambda *ds: functools.reduce(operator.mul, ds), *each)
        close(jax.jit(run.tx.metric)(state, params), product, runs.ulps(2))


ELEMENTWISE = [c for c in CASES if c.ours().elementwise and c.leaves_alike]


@pytest.mark.parametrize("case", ELEMENTWISE, ids=repr)
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
