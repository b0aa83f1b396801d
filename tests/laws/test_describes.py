"""What a transformation says of itself is true: its metric, and whether it is elementwise."""

import functools
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.cases import CASES
from tests.laws import runs
from tests.laws.runs import FLOAT64, STEPS, at, close, home, ours

rows = pytest.mark.parametrize("case", CASES, ids=repr)
WITH_METRIC = [case for case in CASES if case.ours().metric]


@pytest.mark.parametrize("case", [c for c in CASES if c.numerator], ids=repr)
def test_the_update_is_the_numerator_over_the_metric(case):
    run = ours(case, FLOAT64)
    _, gradients = runs.data(case, FLOAT64)
    for t in (0, 1, 2, STEPS - 1):
        steps = at(run.steps, t)
        with run.session():
            metric = run.tx.metric(*jax.tree.map(jnp.asarray, (steps.states, steps.params)))
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
        metric = run.tx.metric(run.middle[1], run.middle[0])
    assert jax.tree.structure(metric) == jax.tree.structure(run.params)
    for d, p in zip(jax.tree.leaves(metric), jax.tree.leaves(run.params), strict=True):
        assert not np.iscomplexobj(d)
        assert np.all(np.asarray(d) > 0)
        assert np.broadcast_shapes(np.shape(d), p.shape) == p.shape


CHAINS = [c for c in WITH_METRIC if c.ours().composition and c.ours().composition.sequential]


@pytest.mark.parametrize("case", CHAINS, ids=repr)
def test_the_metric_of_a_chain_is_the_product_of_its_parts(case):
    run = ours(case, home(case))
    params, state = run.middle
    with run.session():
        each = [
            part.metric(s, params)
            for part, s in zip(run.tx.parts, run.tx.composition.states(state), strict=True)
        ]
        product = jax.tree.map(lambda *ds: functools.reduce(operator.mul, ds), *each)
        close(run.tx.metric(state, params), product, runs.ulps(2))


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
        state = run.tx.init(params)
        for t in range(steps):
            g = at(run.halves[0], t)
            updates, state = run.tx.update(padded(vector(g, 0), g), state, params)
            after = at(run.steps.params, t)
            params = padded(vector(after, 0), after)
    close(updates["all"], vector(at(run.steps.updates, steps - 1), 0), runs.rounding(case))
