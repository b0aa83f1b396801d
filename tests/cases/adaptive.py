"""Rows of the adaptive methods beside Adam and RMSProp, and of sign descent."""

from functools import partial

import jax
import jax.numpy as jnp
import optax

import regopt_jax as ro
from tests.cases.case import Allowance, Case
from tests.cases.common import (
    ADAM_WRONG,
    OF_A_SIGN,
    WRONG_RATE,
    both,
    cooling,
    descent,
    torch_optimizer,
    unbiased,
    warming,
)
from tests.oracles import adaptive as oracles, formulas

RADAM_WRONG = {**ADAM_WRONG, "threshold": 3.0}
BELIEF_WRONG = {"b1": 1.0, "b2": -0.1, "eps": -1e-8, "eps_root": -1.0}
ADAMAX_WRONG = {"b1": 1.0, "b2": -0.1, "eps": -1e-8}
ADADELTA_WRONG = {"rho": 1.5, "eps": -1e-8}
RPROP_WRONG = {
    "learning_rate": -0.1, "eta_minus": 1.0, "eta_plus": 1.0, "min_step_size": -1.0,
    "max_step_size": 1e-7,
}  # fmt: skip


def mean(b1):
    return lambda g, state, t: unbiased(state.mu, b1, t)


ADAN_MASKED = {
    "learning_rate": cooling, "b1": 0.9, "b2": 0.8, "b3": 0.95, "eps": 1e-3,
    "weight_decay": warming, "mask": ro.select(min_ndim=2),
}  # fmt: skip


def adan_numerator(g, state, t):
    m, v = unbiased(state.m, 0.98, t), unbiased(state.v, 0.92, t)
    return jax.tree.map(lambda m, v: m + 0.92 * v, m, v)


def sign(g, state, t):
    return jax.tree.map(jnp.sign, g)


MAX_MOMENTS = [
    both(
        "scale_by_amsgrad", ro.scale_by_amsgrad, optax.scale_by_amsgrad, numerator=mean(0.9),
        wrong=ADAM_WRONG,
    ),
    both(
        "scale_by_amsgrad-uncorrected", ro.scale_by_amsgrad, optax.scale_by_amsgrad,
        hyperparams={
            "b1": 0.8, "b2": 0.9, "eps": 1e-3, "eps_root": 1e-3,
            "bias_correction_mu": False, "bias_correction_nu": False,
        },
        numerator=lambda g, state, t: state.mu,
    ),
    both(
        "scale_by_amsgrad-bfloat16", ro.scale_by_amsgrad, optax.scale_by_amsgrad,
        hyperparams={"mu_dtype": jnp.bfloat16}, complex=False,
        allow=Allowance(optax_dtype=jnp.bfloat16),
    ),
    both(
        "scale_by_adamax", ro.scale_by_adamax, optax.scale_by_adamax,
        hyperparams={"b2": 0.9, "eps": 1e-3}, numerator=mean(0.9), wrong=ADAMAX_WRONG,
    ),
    both(
        "amsgrad", ro.amsgrad, optax.amsgrad, hyperparams={"learning_rate": 0.01},
        wrong={**WRONG_RATE, **ADAM_WRONG},
    ),
    both(
        "adamax", ro.adamax, optax.adamax, hyperparams={"learning_rate": 0.01, "eps": 1e-3},
        torch=torch_optimizer("Adamax", lr=0.01, eps=1e-3), wrong={**WRONG_RATE, **ADAMAX_WRONG},
    ),
    both(
        "adamax-schedule", ro.adamax, optax.adamax,
        hyperparams={"learning_rate": cooling, "b1": 0.8, "b2": 0.9},
        torch=torch_optimizer("Adamax", lr=1.0, betas=(0.8, 0.9)), torch_learning_rate=cooling,
    ),
    both(
        "adamaxw", ro.adamaxw, optax.adamaxw,
        hyperparams={"learning_rate": 0.01, "weight_decay": 0.1}, needs_params=True,
        wrong={**WRONG_RATE, **ADAMAX_WRONG, "weight_decay": -0.1},
    ),
    both(
        "adamaxw-mask", ro.adamaxw, optax.adamaxw,
        hyperparams={
            "learning_rate": cooling, "weight_decay": warming, "mask": ro.select(min_ndim=2),
        },
        needs_params=True, leaves_alike=False,
    ),
]  # fmt: skip

SECOND_MOMENTS = [
    both(
        "scale_by_belief", ro.scale_by_belief, optax.scale_by_belief, numerator=mean(0.9),
        wrong=BELIEF_WRONG,
    ),
    both(
        "scale_by_belief-nesterov", ro.scale_by_belief, optax.scale_by_belief,
        hyperparams={"b1": 0.8, "b2": 0.9, "eps": 1e-3, "eps_root": 1e-3, "nesterov": True},
    ),
    both(
        "scale_by_yogi", ro.scale_by_yogi, optax.scale_by_yogi, numerator=mean(0.9),
        wrong={**BELIEF_WRONG, "initial_accumulator_value": -1e-6},
    ),
    both(
        "scale_by_yogi-eps_root", ro.scale_by_yogi, optax.scale_by_yogi,
        hyperparams={
            "b1": 0.8, "b2": 0.9, "eps": 1e-2, "eps_root": 1e-2,
            "initial_accumulator_value": 1e-2,
        },
        numerator=mean(0.8),
    ),
    both(
        "scale_by_radam", ro.scale_by_radam, optax.scale_by_radam, numerator=mean(0.9),
        wrong=RADAM_WRONG,
    ),
    both(
        "scale_by_radam-nesterov", ro.scale_by_radam, optax.scale_by_radam,
        hyperparams={
            "b1": 0.8, "b2": 0.9, "eps": 1e-3, "eps_root": 1e-3, "threshold": 7.0,
            "nesterov": True,
        },
    ),
    both(  # ρ stays below the threshold for ever
        "scale_by_radam-never", ro.scale_by_radam, optax.scale_by_radam,
        hyperparams={"b2": 0.5}, numerator=mean(0.9),
    ),
    both(
        "adabelief", ro.adabelief, optax.adabelief, hyperparams={"learning_rate": 0.01},
        wrong={**WRONG_RATE, **BELIEF_WRONG},
    ),
    both(
        "yogi", ro.yogi, optax.yogi, hyperparams={"learning_rate": 0.01},
        wrong={**WRONG_RATE, "b1": 1.0, "b2": -0.1, "eps": -1e-8},
    ),
    both(
        "radam", ro.radam, optax.radam, hyperparams={"learning_rate": cooling},
        wrong={**WRONG_RATE, **RADAM_WRONG},
    ),
]  # fmt: skip

# Optax weighs the differences of the gradients by 1-β₂.
ADAN = [
    Case(
        "scale_by_adan", partial(ro.scale_by_adan), numerator=adan_numerator,
        numpy=oracles.adan, wrong={**ADAM_WRONG, "b3": 1.0, "look_ahead": 1.5},
    ),
    Case(
        "scale_by_adan-optax", partial(ro.scale_by_adan, look_ahead=1 - 0.92), optax.scale_by_adan,
    ),
    Case(
        "adan", partial(ro.adan, learning_rate=0.01),
        numpy=lambda: formulas.chain(oracles.adan(eps_root=1e-8), formulas.learning_rate(0.01)),
        needs_params=True,
        wrong={**WRONG_RATE, **ADAM_WRONG, "b3": 1.0, "weight_decay": -0.1, "look_ahead": -0.1},
    ),
    Case(
        "adan-optax-mask", partial(ro.adan, **ADAN_MASKED, look_ahead=1 - 0.8),
        partial(optax.adan, **ADAN_MASKED), needs_params=True, leaves_alike=False,
    ),
]  # fmt: skip

ADADELTA = [
    # Optax averages the squares of complex numbers, not of their moduli.
    both(
        "scale_by_adadelta", ro.scale_by_adadelta, optax.scale_by_adadelta, complex=False,
        wrong=ADADELTA_WRONG,
    ),
    Case(
        "scale_by_adadelta-complex", partial(ro.scale_by_adadelta, rho=0.8, eps=1e-3),
        numpy=partial(oracles.adadelta, 0.8, 1e-3),
    ),
    both(
        "adadelta", ro.adadelta, optax.adadelta,
        hyperparams={"learning_rate": 0.5, "weight_decay": 0.1},
        torch=torch_optimizer("Adadelta", lr=0.5, weight_decay=0.1), needs_params=True,
        complex=False, allow=Allowance(stores_gradients=True),
        wrong={**WRONG_RATE, **ADADELTA_WRONG, "weight_decay": -0.1},
    ),
    both(
        "adadelta-unscaled", ro.adadelta, optax.adadelta,
        hyperparams={"rho": 0.8, "eps": 1e-3, "weight_decay": cooling,
                     "weight_decay_mask": ro.select(min_ndim=2)},
        needs_params=True, complex=False, leaves_alike=False,
        allow=Allowance(stores_gradients=True),
    ),
    both(
        "adadelta-plain", ro.adadelta, optax.adadelta, hyperparams={"learning_rate": 1.0},
        complex=False,
    ),
]  # fmt: skip

NOVOGRAD = [
    both(
        "scale_by_novograd", ro.scale_by_novograd, optax.scale_by_novograd,
        wrong={**BELIEF_WRONG, "weight_decay": -0.1},
    ),
    both(
        "scale_by_novograd-decay", ro.scale_by_novograd, optax.scale_by_novograd,
        hyperparams={"b1": 0.8, "b2": 0.9, "eps": 1e-3, "eps_root": 1e-3, "weight_decay": 0.1},
        needs_params=True,
    ),
    both(
        "scale_by_novograd-bfloat16", ro.scale_by_novograd, optax.scale_by_novograd,
        hyperparams={"mu_dtype": jnp.bfloat16}, complex=False,
        allow=Allowance(optax_dtype=jnp.bfloat16),
    ),
    Case(
        "scale_by_novograd-schedule", partial(ro.scale_by_novograd, weight_decay=cooling),
        numpy=partial(oracles.novograd, weight_decay=cooling), needs_params=True,
    ),
    both(
        "novograd", ro.novograd, optax.novograd,
        hyperparams={"learning_rate": 0.01, "weight_decay": 0.1}, needs_params=True,
        wrong={**WRONG_RATE, **BELIEF_WRONG, "weight_decay": -0.1},
    ),
]  # fmt: skip

RPROP = [
    Case(
        "scale_by_rprop", partial(ro.scale_by_rprop, learning_rate=0.1),
        numpy=partial(oracles.rprop, 0.1), complex=False, real=True, unsteady=OF_A_SIGN,
        wrong=RPROP_WRONG,
        numerator=lambda g, state, t: sign(state.prev_updates, state, t),
    ),
    Case(
        "rprop", partial(ro.rprop, learning_rate=0.1),
        numpy=lambda: formulas.chain(oracles.rprop(0.1), formulas.scale(-1.0)),
        torch=torch_optimizer("Rprop", lr=0.1), complex=False, real=True, unsteady=OF_A_SIGN,
        wrong=RPROP_WRONG,
    ),
    Case(
        "rprop-bounds",
        partial(
            ro.rprop, learning_rate=0.5, eta_minus=0.3, eta_plus=1.5, min_step_size=0.05,
            max_step_size=0.2,
        ),
        torch=torch_optimizer("Rprop", lr=0.5, etas=(0.3, 1.5), step_sizes=(0.05, 0.2)),
        complex=False, real=True, unsteady=OF_A_SIGN,
    ),
]  # fmt: skip

SIGNS = [
    both(
        "scale_by_sign", ro.scale_by_sign, optax.scale_by_sign, numerator=sign,
        unsteady=OF_A_SIGN,
    ),
    both(
        "sign_sgd", ro.sign_sgd, optax.sign_sgd, hyperparams={"learning_rate": cooling},
        numerator=lambda g, state, t: descent(sign(g, state, t), state, t), wrong=WRONG_RATE,
        unsteady=OF_A_SIGN,
    ),
    both(
        "signum", ro.signum, optax.signum, hyperparams={"learning_rate": 0.01},
        wrong={**WRONG_RATE, "beta": 1.5}, unsteady=OF_A_SIGN,
    ),
]  # fmt: skip

# Optax's SM3 fails on numbers without axes and on empty arrays: see tests/transforms.
SM3 = [
    Case(
        "scale_by_sm3", partial(ro.scale_by_sm3), numpy=oracles.sm3, leaves_alike=False,
        wrong={"b1": 1.0, "b2": 1.5, "eps": -1e-8},
    ),
    Case(
        "scale_by_sm3-decay", partial(ro.scale_by_sm3, b1=0.8, b2=0.9, eps=1e-3),
        numpy=partial(oracles.sm3, 0.8, 0.9, 1e-3), leaves_alike=False,
    ),
    Case(
        "sm3", partial(ro.sm3, learning_rate=cooling),
        numpy=lambda: formulas.chain(oracles.sm3(), formulas.learning_rate(cooling)),
        leaves_alike=False, wrong={**WRONG_RATE, "momentum": 1.0},
    ),
]  # fmt: skip

ADAPTIVE = [*MAX_MOMENTS, *SECOND_MOMENTS, *ADAN, *ADADELTA, *NOVOGRAD, *RPROP, *SIGNS, *SM3]
