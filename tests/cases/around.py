"""Rows of what Optax contributes that goes around another transformation."""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from optax import contrib

import regopt_jax as ro
from tests.cases.case import Allowance, Case
from tests.cases.common import cooling

MECHANIC_WRONG = {"weight_decay": -0.1, "eps": -1.0, "s_init": 0.0, "num_betas": 0}


def of_one_dtype(make):
    """Optax's, which fails where parameters differ in theirs: in the widest, and back."""

    def build():
        tx = make()

        def wide(tree):
            dtype = jnp.result_type(*jax.tree.leaves(tree))
            return jax.tree.map(lambda x: jnp.asarray(x, dtype), tree)

        def init(params):
            return tx.init(wide(params))

        def update(updates, state, params=None, **extra):
            params = None if params is None else wide(params)
            new, state = tx.update(wide(updates), state, params, **extra)
            return jax.tree.map(lambda u, g: u.astype(g.dtype), new, updates), state

        return optax.GradientTransformationExtraArgs(init, update)

    return build


# What has been done since the start is a difference of parameters, divided by a small factor.
DIFFERENCES = Allowance(ulps=256, differences=True, keeps_params=True)

# The first factors have few digits: Optax rounds them to the narrowest dtype.
MECHANIC = [
    Case(
        "mechanize", partial(ro.mechanize, ro.sgd(1.0), s_init=2.0**-6),
        of_one_dtype(lambda: contrib.mechanize(optax.sgd(1.0), s_init=2.0**-6)),
        needs_params=True, complex=False, across=True, allow=DIFFERENCES, wrong=MECHANIC_WRONG,
    ),
    Case(
        "mechanize-adam",
        partial(
            ro.mechanize, ro.adam(cooling), weight_decay=0.1, eps=1e-6, s_init=2.0**-4,
            num_betas=3,
        ),
        lambda: contrib.mechanize(
            optax.adam(cooling), weight_decay=0.1, eps=1e-6, s_init=2.0**-4, num_betas=3
        ),
        needs_params=True, complex=False, across=True, allow=DIFFERENCES,
    ),
]  # fmt: skip

AROUND = [*MECHANIC]
