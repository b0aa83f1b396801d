"""Rows of what gets the gradient of each example in a batch."""

import jax
import jax.numpy as jnp
import optax
from optax import contrib

import regopt_jax as ro
from tests.cases.case import Case, as_made
from tests.cases.common import NOISE, WRONG_RATE, both, cooling
from tests.cases.layerwise_optimizers import silently

PRIVATE_WRONG = {"l2_norm_clip": -1.0, "noise_multiplier": -0.1}


def by_example(tx):
    """What gets the gradients of three examples, of which some are clipped."""

    def update(updates, state, params=None):
        each = jax.tree.map(lambda g: jnp.stack([g, 2 * g, -0.01 * g]), updates)
        return tx.update(each, state, params)

    if isinstance(tx, ro.GradientTransformation):
        return as_made(tx, tx.init, update)
    return optax.GradientTransformation(tx.init, update)


def private(name, ours, theirs, **rest):
    hyperparams = rest["hyperparams"]
    row = both(name, ours, theirs, around=by_example, random=True, unsteady=NOISE, **rest)
    return Case(**{**vars(row), "optax": lambda: by_example(silently(theirs, **hyperparams)())})


PRIVATE = [
    private(
        "differentially_private_aggregate", ro.differentially_private_aggregate,
        contrib.differentially_private_aggregate,
        hyperparams={"l2_norm_clip": 3.0, "noise_multiplier": 0.1, "key": 3}, across=True,
        wrong=PRIVATE_WRONG,
    ),
    private(
        "dpsgd", ro.dpsgd, contrib.dpsgd,
        hyperparams={
            "learning_rate": cooling, "l2_norm_clip": 3.0, "noise_multiplier": 0.1, "seed": 3,
        },
        across=True, wrong={**WRONG_RATE, **PRIVATE_WRONG, "momentum": 1.5},
    ),
    private(
        "dpsgd-nesterov", ro.dpsgd, contrib.dpsgd,
        hyperparams={
            "learning_rate": 0.01, "l2_norm_clip": 100.0, "noise_multiplier": 0.01, "seed": 7,
            "momentum": 0.9, "nesterov": True,
        },
        across=True,
    ),
]  # fmt: skip
