"""Rows of what evaluates the loss on the way: line searches, and L-BFGS, whose steps they size."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import optax

import regopt_jax as ro
from regopt_jax._core.arithmetic import at_least_float32
from regopt_jax._core.trees import flatten
from tests.cases.case import Allowance, Case, as_made
from tests.cases.common import WRONG_RATE

BACKTRACKING_WRONG = {
    "max_backtracking_steps": -1, "slope_rtol": 1.0, "decrease_factor": 1.0,
    "increase_factor": 0.5, "max_learning_rate": 0.0, "atol": -1.0, "rtol": -1.0,
}  # fmt: skip
ZOOM_WRONG = {
    "max_linesearch_steps": 0, "max_learning_rate": 0.0, "tol": -1.0, "increase_factor": 1.0,
    "slope_rtol": 1.0, "curv_rtol": -1.0, "approx_dec_rtol": -1.0, "stepsize_precision": -1.0,
    "initial_guess_strategy": "two",
}  # fmt: skip


SUMS = Allowance(ulps=256, bfloat16_ulps=64, keeps_params=True)
DIFFERENCES = dataclasses.replace(SUMS, subtracts=True)


def bowl(params):
    """Convex, and curved otherwise in each leaf and at each distance from its bottom."""
    leaves = [at_least_float32(x) for x in jax.tree.leaves(params)]
    sizes = [jnp.sqrt(1 + (x * x.conj()).real) for x in leaves]
    with jax.numpy_dtype_promotion("standard"):
        return sum(((1 + i / 4) * jnp.sum(x) for i, x in enumerate(sizes)), start=jnp.zeros([]))


def on_a_bowl(searches, of_given, of_made):
    """Its updates: the gradients of the bowl, and a trifle of those that it is given.

    They are scaled, those that it gets and those that it makes.
    """

    def around(tx):
        def update(updates, state, params=None):
            try:
                value, slopes = jax.value_and_grad(bowl)(params)
                grad = jax.tree.map(jnp.conj, slopes)
                pairs = zip(flatten(updates)[0], flatten(grad)[0], strict=True)
                new = [g if g is None else h + (1e-9 * g).astype(h.dtype) for g, h in pairs]
            except (TypeError, ValueError):  # which tx is to refuse in its own words
                return tx.update(updates, state, params)
            grads = jax.tree.unflatten(flatten(updates)[1], new)
            given = {"value": value, "grad": grad, "value_fn": bowl} if searches else {}
            steps = jax.tree.map(lambda g: of_given * g, grads)
            steps, state = tx.update(steps, state, params, **given)
            return jax.tree.map(lambda u: of_made * u, steps), state

        if isinstance(tx, ro.GradientTransformation):
            return as_made(tx, tx.init, update)
        return optax.GradientTransformation(tx.init, update)

    return around


def row(name, ours, theirs, searches=True, of_given=1, of_made=1, **rest):
    given, around = rest.pop("hyperparams", {}), on_a_bowl(searches, of_given, of_made)
    return Case(
        name, partial(ours, **given), lambda: around(theirs(**given)), around=around,
        needs_params=True, across=True, searches=searches,
        **{"allow": SUMS, **rest},
    )  # fmt: skip


SEARCHES = [
    row(
        "scale_by_backtracking_linesearch", ro.scale_by_backtracking_linesearch,
        optax.scale_by_backtracking_linesearch, of_given=-1, complex=False,
        hyperparams={"max_backtracking_steps": 8, "max_learning_rate": 0.25},
        wrong=BACKTRACKING_WRONG,
    ),
    row(
        "scale_by_backtracking_linesearch-long", ro.scale_by_backtracking_linesearch,
        optax.scale_by_backtracking_linesearch, of_given=-1, complex=False,
        hyperparams={
            "max_backtracking_steps": 20, "store_grad": True, "slope_rtol": 0.75,
            "decrease_factor": 0.5, "increase_factor": float("inf"), "atol": 1e-9, "rtol": 1e-9,
        },
    ),
    row(
        "scale_by_zoom_linesearch", ro.scale_by_zoom_linesearch, optax.scale_by_zoom_linesearch,
        of_given=-0.125, hyperparams={"max_linesearch_steps": 8, "max_learning_rate": 1.0},
        wrong=ZOOM_WRONG,
    ),
    row(
        "scale_by_zoom_linesearch-exact", ro.scale_by_zoom_linesearch,
        optax.scale_by_zoom_linesearch, of_given=-0.5,
        hyperparams={
            "max_linesearch_steps": 4, "curv_rtol": 0.3, "initial_guess_strategy": "one",
            "approx_dec_rtol": None, "increase_factor": 3.0,
        },
    ),
    row(
        "scale_by_lbfgs", ro.scale_by_lbfgs, optax.scale_by_lbfgs, of_made=-0.2, searches=False,
        hyperparams={"memory_size": 4}, wrong={"memory_size": 0}, allow=DIFFERENCES,
    ),
    row(
        "scale_by_lbfgs-unscaled", ro.scale_by_lbfgs, optax.scale_by_lbfgs, of_made=-0.2,
        searches=False, hyperparams={"scale_init_precond": False}, allow=DIFFERENCES,
    ),
    row(
        "lbfgs", ro.lbfgs, optax.lbfgs, hyperparams={"learning_rate": 0.05, "memory_size": 3},
        wrong={**WRONG_RATE, "memory_size": 0},
    ),
    row(
        "lbfgs-alone", ro.lbfgs, optax.lbfgs, searches=False,
        hyperparams={"learning_rate": 0.05, "linesearch": None}, allow=DIFFERENCES,
    ),
]  # fmt: skip
