"""MoMo with losses that fall: what it needs, what it is for, and equal to Optax on the way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from optax import contrib

import regopt_jax as ro
from tests.laws.runs import session

kinds = pytest.mark.parametrize("name", ["momo", "momo_adam"])
CURVATURE = np.array([0.5, 2.0, 8.0])


def descent(tx, steps=60, floor=1.0):
    """The losses and states on the way down a quadratic whose minimum is ``floor``."""

    def loss(w):
        return floor + jnp.sum(jnp.asarray(CURVATURE, w.dtype) * w**2) / 2

    def step(carry, _):
        w, state = carry
        value, g = jax.value_and_grad(loss)(w)
        updates, state = tx.update(g, state, w, value=value)
        return (ro.apply_updates(w, updates), state), (value, state)

    w = jnp.array([3.0, -2.0, 1.0])
    return jax.lax.scan(step, (w, tx.init(w)), None, length=steps)[1]


@kinds
def test_the_loss_is_needed(name):
    tx, w = getattr(ro, name)(), jnp.ones(2)
    with pytest.raises(ValueError, match=rf"{name}: the loss is needed.*value=loss"):
        tx.update(w, tx.init(w), w)


@pytest.mark.parametrize("adapt", [False, True], ids=["given", "adapted"])
@kinds
def test_steps_of_every_kind_equal_those_of_optax(name, adapt):
    """Both long ones, which the model cuts, and those of the learning rate."""
    options = {"learning_rate": 0.3, "weight_decay": 0.1, "adapt_lower_bound": adapt}
    with session("float64", lenient=True):
        mine, theirs = (descent(getattr(of, name)(**options)) for of in (ro, contrib))
        for a, b in zip(jax.tree.leaves(mine), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
        assert adapt == bool(np.any(np.asarray(mine[1].lb) > 0))


@kinds
def test_a_learning_rate_that_is_far_too_large_is_cut(name):
    losses, _ = descent(getattr(ro, name)(100.0, lower_bound=1.0), 200)
    assert float(losses[-1]) < 1.01
