"""Rows of every penalty and set under the proximal map, and of independent decay."""

from functools import partial

import numpy as np

import regopt_jax as ro
from tests.cases.case import Allowance, Case
from tests.cases.common import AFTER_THE_STEP
from tests.oracles import regularizers as oracles

RATE = 0.01
STRENGTH = 0.3
PEAK = 0.02
matrices = ro.select(min_ndim=2)


def halving(t):
    return PEAK * 0.5**t


def matrix_only(prox):
    return lambda z, d: prox(z, d) if z.ndim >= 2 else z


def low_rank(z, d):
    u, s, vh = np.linalg.svd(z.reshape(-1, z.shape[-1]), full_matrices=False)
    return ((u * np.maximum(s - STRENGTH / d, 0)) @ vh).reshape(z.shape)


def unit(z, d):
    norm = np.linalg.norm(z)
    return z / norm if norm > 1 else z


# name: (R, its proximal map in NumPy, whether it works on each element alone)
MAPS = {
    "l0": (ro.l0(STRENGTH), oracles.counting(STRENGTH), True),
    "l_half": (ro.l_half(STRENGTH), oracles.power(STRENGTH, 1 / 2), True),
    "l_two_thirds": (ro.l_two_thirds(STRENGTH), oracles.power(STRENGTH, 2 / 3), True),
    "huber_l1": (ro.huber_l1(STRENGTH, delta=0.2), oracles.huber(STRENGTH, 0.2), True),
    "nonnegative": (ro.nonnegative(), lambda z, d: np.maximum(z, 0), True),
    "box": (ro.box(-0.5, 0.7), lambda z, d: np.clip(z, -0.5, 0.7), True),
    "group_lasso": (ro.group_lasso(STRENGTH).on(matrices), oracles.groups(STRENGTH), False),
    "nuclear_norm": (
        ro.nuclear_norm(STRENGTH).on(ro.select(lambda path, x: x.ndim >= 2 and x.size > 0)),
        lambda z, d: low_rank(z, d) if z.ndim >= 2 and z.size else z,
        False,
    ),
    "l2_ball": (ro.l2_ball(1.0), unit, False),
}

# The point that they start from, which XLA keeps beside Newton's steps.
NEWTON = {name: Allowance(copies=1) for name in ("l_half", "l_two_thirds")}

PROXIMAL = [
    *(
        Case(
            f"proximal-{name}",
            partial(ro.proximal, ro.sgd(RATE), regularizer),
            numpy=partial(oracles.proximal_sgd, RATE, prox),
            needs_params=True,
            complex=False,
            leaves_alike=elementwise,
            unsteady=AFTER_THE_STEP,
            allow=NEWTON.get(name, Allowance()),
        )
        for name, (regularizer, prox, elementwise) in MAPS.items()
    ),
    *(
        Case(
            f"proximal-adam-{name}",
            partial(ro.proximal, ro.adam(RATE), MAPS[name][0]),
            numpy=partial(oracles.proximal_adam, RATE, MAPS[name][1]),
            needs_params=True,
            complex=False,
            leaves_alike=MAPS[name][2],
            unsteady=AFTER_THE_STEP,
            allow=NEWTON.get(name, Allowance()),
        )
        for name in ("l_half", "box", "group_lasso")
    ),
    Case(
        "regularize-independent",
        partial(ro.regularize, ro.adam(halving), ro.l2(STRENGTH), how="independent", peak=PEAK),
        numpy=partial(oracles.independent, halving, PEAK, STRENGTH),
        needs_params=True,
        wrong={"peak": -1.0},
    ),
]
