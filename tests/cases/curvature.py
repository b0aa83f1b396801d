"""Rows of what measures the curvature of the loss inside the update."""

from functools import partial

import jax
import jax.numpy as jnp
from optax import contrib
from optax.contrib import _sophia

import regopt_jax as ro
from regopt_jax._core.arithmetic import at_least_float32
from tests.cases.around import of_one_dtype
from tests.cases.case import Allowance, Case
from tests.cases.common import WRONG_RATE, cooling

SOPHIA_WRONG = {
    "b1": 1.0, "b2": -0.1, "eps": -1e-8, "gamma": -1.0, "clip_threshold": 0.0,
    "update_interval": 0, "print_win_rate_every_n_steps": -1,
}  # fmt: skip
# The products with the Hessian cancel, and bfloat16 parameters have them in bfloat16.
SUMS = Allowance(ulps=64, bfloat16_ulps=64)


def valley(params):
    """Curved either way by the element, and along the sum of all."""
    leaves = [at_least_float32(x) for x in jax.tree.leaves(params)]
    total = sum(jnp.sum(x) for x in leaves)
    return sum(jnp.sum(x * x / 4 + jnp.cos(x)) for x in leaves) + 0.05 * total**2


def curved(name, ours, theirs, **rest):
    """Optax fails on parameters of several dtypes."""
    given = rest.pop("hyperparams", {})
    return Case(
        name, partial(ours, **given), of_one_dtype(partial(theirs, **given)), needs_params=True,
        complex=False, real=True, across=True, extra_args={"obj_fn": valley}, allow=SUMS, **rest,
    )  # fmt: skip


CURVATURE = [
    curved(
        "hutchinson_estimator_diag_hessian", ro.hutchinson_estimator_diag_hessian,
        contrib.hutchinson_estimator_diag_hessian,
    ),
    curved(
        "scale_by_sophia", ro.scale_by_sophia, _sophia.scale_by_sophia,
        hyperparams={"update_interval": 4, "gamma": 0.5, "eps": 0.125}, wrong=SOPHIA_WRONG,
    ),
    curved(
        "scale_by_sophia-unclipped", ro.scale_by_sophia, _sophia.scale_by_sophia,
        hyperparams={
            "b1": 0.8, "b2": 0.9, "eps": 0.5, "clip_threshold": None, "update_interval": 1,
        },
    ),
    curved(
        "sophia", ro.sophia, contrib.sophia,
        hyperparams={
            "learning_rate": cooling, "weight_decay": 0.1, "update_interval": 3, "gamma": 0.5,
        },
        wrong={**WRONG_RATE, **SOPHIA_WRONG, "weight_decay": -0.1},
    ),
]  # fmt: skip
