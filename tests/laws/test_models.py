"""A whole model goes in: leaves without a gradient are carried along and change nothing."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.cases.searches import SEARCHES
from tests.laws import runs
from tests.laws.rows import only, principal
from tests.laws.runs import FLOAT32, same_bits

REST = {"activation": jnp.tanh, "name": "dense", "seen": np.arange(3), "on": jnp.array([True])}


def of_arrays(tree):
    """As ``equinox.filter`` with ``is_array``, which people call ``init`` on."""
    return {key: x if hasattr(x, "dtype") else None for key, x in tree.items()}


def trained(case):
    rng = np.random.default_rng(3)
    return {
        "kernel": jnp.asarray(rng.normal(size=(8, 3)), jnp.float32),
        "bias": jnp.asarray(rng.normal(size=3), jnp.float32),
    }


def types(state):
    return jax.tree.structure(state), [x.dtype for x in jax.tree.leaves(state)]


def two_steps(case, rest):
    """The updates of the trained leaves, of a program that closes over the others."""
    none = dict.fromkeys(rest)

    @jax.jit
    def run(params):
        tx = case.ours()
        state, out = tx.init(params | of_arrays(rest)), []
        for t in range(2):
            grads = jax.tree.map(lambda p, t=t: (1 - t) * p + 0.1, params) | none
            updates, new = tx.update(grads, state, params | rest)
            assert types(new) == types(state)
            state = new
            assert all(updates[key] is None for key in rest)
            out.append({key: updates[key] for key in params})
        return out

    with runs.session(FLOAT32, case.theirs_inside):
        return run(trained(case))


@principal
@only(lambda case: case not in SEARCHES, "its row differentiates what it gets")
def test_what_has_no_gradient_changes_nothing(case):
    same_bits(two_steps(case, REST), two_steps(case, {}))
