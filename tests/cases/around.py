"""Rows of what Optax contributes that goes around another transformation."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import optax
from optax import contrib

import regopt_jax as ro
from tests.cases.case import Allowance, Case
from tests.cases.common import L2, WRONG_RATE, both, cooling

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


class Hole:
    """In place of ``None``, at which Optax's fails."""


jax.tree_util.register_pytree_node(Hole, lambda _: ((), None), lambda *_: Hole())


def with_holes(make):
    """Optax's, on trees without parameters that are ``None``."""

    def build():
        tx = make()

        def filled(tree):
            return jax.tree.map(lambda x: Hole() if x is None else x, tree, is_leaf=is_none)

        def emptied(tree):
            return jax.tree.map(lambda x: None if is_hole(x) else x, tree, is_leaf=is_hole)

        def init(params):
            return emptied(tx.init(filled(params)))

        def update(updates, state, params=None):
            return emptied(tx.update(*map(filled, (updates, state, params))))

        return optax.GradientTransformation(init, update)

    return build


def is_none(x):
    return x is None


def is_hole(x):
    return isinstance(x, Hole)


def kernels(tree):
    """The projection is of a convolution's kernel, whose first three axes are the rows."""

    def one(x):
        return contrib.GaLoreDimensionNumbers((0, 1, 2), -1) if x.ndim == 4 else None

    return jax.tree.map(one, tree)


GALORE_WRONG = {"rank": 0, "update_proj_gap": 0, "scale": -1.0}


def low_rank(name, ours, theirs, **rest):
    row = both(name, ours, theirs, leaves_alike=False, complex=False, across=True, **rest)
    return dataclasses.replace(row, optax=with_holes(row.optax))


GALORE = [
    low_rank(
        "scale_by_galore", ro.scale_by_galore, contrib.scale_by_galore,
        hyperparams={"rank": 2, "update_proj_gap": 4, "scale": 0.25}, wrong=GALORE_WRONG,
    ),
    low_rank(
        "galore", ro.galore, contrib.galore,
        hyperparams={"learning_rate": cooling, "rank": 2, "weight_decay": L2},
        needs_params=True, wrong=WRONG_RATE | GALORE_WRONG | {"weight_decay": -0.1},
    ),
    low_rank(
        "galore-kernels", ro.galore, contrib.galore,
        hyperparams={
            "learning_rate": 0.01, "rank": 5, "update_proj_gap": 7,
            "weight_dimension_numbers": kernels,
        },
        needs_params=True,
    ),
    Case(
        "scale_by_galore-lion",
        partial(
            ro.scale_by_galore, 1, 3, base_optimizer=ro.scale_by_lion(),
        ),
        with_holes(
            lambda: contrib.scale_by_galore(1, 3, base_optimizer=optax.scale_by_lion())
        ),
        leaves_alike=False, complex=False, across=True,
    ),
]  # fmt: skip

AROUND = [*MECHANIC, *GALORE]
