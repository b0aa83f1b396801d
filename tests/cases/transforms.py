"""Rows of scales, moments, signs and clips."""

from functools import partial

import jax.numpy as jnp
import optax

import regopt_jax as ro
from tests.cases.case import Allowance, Case
from tests.cases.common import (
    ADAM_WRONG,
    LION_WRONG,
    OF_A_SIGN,
    OPTAX_ROOT,
    ROOT_WRONG,
    WRONG_RATE,
    both,
    cooling,
    descent,
    gradient,
    scaled,
    unbiased,
)
from tests.oracles import formulas

SCALES = [
    both(
        "identity", ro.identity, optax.identity, numpy=partial(formulas.scale, 1.0),
        numerator=gradient,
    ),
    both(
        "scale", ro.scale, optax.scale, hyperparams={"step_size": -0.3},
        numpy=partial(formulas.scale, -0.3), numerator=descent,
        wrong={"step_size": float("inf")},
    ),
    both(
        "scale_by_learning_rate", ro.scale_by_learning_rate, optax.scale_by_learning_rate,
        hyperparams={"learning_rate": 0.1}, numpy=partial(formulas.learning_rate, 0.1),
        numerator=descent, wrong=WRONG_RATE,
    ),
    both(
        "scale_by_learning_rate-schedule", ro.scale_by_learning_rate,
        optax.scale_by_learning_rate, hyperparams={"learning_rate": cooling},
        numpy=partial(formulas.learning_rate, cooling), numerator=descent,
    ),
    both(
        "scale_by_learning_rate-unflipped", ro.scale_by_learning_rate,
        optax.scale_by_learning_rate, hyperparams={"learning_rate": 0.1, "flip_sign": False},
        numpy=partial(formulas.scale, 0.1), numerator=gradient,
    ),
    both(
        "scale_by_schedule", ro.scale_by_schedule, optax.scale_by_schedule,
        hyperparams={"step_size_fn": cooling}, numpy=partial(formulas.scale, cooling),
        numerator=gradient,
    ),
]  # fmt: skip

MOMENTUM = [
    both(
        "trace", ro.trace, optax.trace, hyperparams={"decay": 0.9},
        numpy=partial(formulas.trace, 0.9), wrong={"decay": 1.5},
        numerator=lambda g, state, t: scaled(state.trace, 0.1),
    ),
    both(
        "trace-nesterov", ro.trace, optax.trace, hyperparams={"decay": 0.9, "nesterov": True},
        numpy=partial(formulas.trace, 0.9, nesterov=True),
    ),
    # The trace is rounded to bfloat16 between steps; float64 oracles do not.
    both(
        "trace-bfloat16", ro.trace, optax.trace, complex=False,
        hyperparams={"decay": 0.9, "accumulator_dtype": jnp.bfloat16},
        allow=Allowance(optax_dtype=jnp.bfloat16),
    ),
    Case(
        "trace-dampening", partial(ro.trace, decay=0.9, dampening=0.5),
        numpy=partial(formulas.trace, 0.9, dampening=0.5), wrong={"dampening": -0.5},
        numerator=lambda g, state, t: scaled(state.trace, 0.1 / 0.5),
    ),
    Case(
        "trace-dampening-nesterov",
        partial(ro.trace, decay=0.9, nesterov=True, dampening=0.25),
        numpy=partial(formulas.trace, 0.9, nesterov=True, dampening=0.25),
    ),
    both(
        "ema", ro.ema, optax.ema, hyperparams={"decay": 0.9},
        numpy=partial(formulas.ema, 0.9), wrong={"decay": 1.0},
        numerator=lambda g, state, t: unbiased(state.ema, 0.9, t),
    ),
    both(
        "ema-biased", ro.ema, optax.ema, hyperparams={"decay": 0.9, "debias": False},
        numpy=partial(formulas.ema, 0.9, debias=False), wrong={"decay": 1.5},
        numerator=lambda g, state, t: state.ema,
    ),
    Case(
        "bias_correction", partial(ro.bias_correction, decay=0.9),
        numpy=partial(formulas.bias_correction, 0.9), wrong={"decay": 1.0},
        numerator=lambda g, state, t: unbiased(g, 0.9, t),
    ),
]  # fmt: skip

SECOND_MOMENTS = [
    Case(
        "scale_by_rms", partial(ro.scale_by_rms),
        partial(optax.scale_by_rms, decay=0.99, eps_in_sqrt=False),
        numpy=formulas.rms, numerator=gradient, wrong=ROOT_WRONG,
    ),
    both(
        "scale_by_rms-eps_in_sqrt", ro.scale_by_rms, optax.scale_by_rms,
        hyperparams={**OPTAX_ROOT, "initial_scale": 0.5},
        numpy=partial(formulas.rms, **OPTAX_ROOT, initial_scale=0.5), numerator=gradient,
    ),
    both(
        "scale_by_rms-bias_correction", ro.scale_by_rms, optax.scale_by_rms,
        hyperparams={
            "decay": 0.95, "eps": 1e-2, "eps_in_sqrt": False, "bias_correction": True,
        },
        numpy=partial(formulas.rms, decay=0.95, eps=1e-2, bias_correction=True),
        numerator=gradient, wrong={"decay": 1.0},
    ),
    Case(
        "scale_by_stddev", partial(ro.scale_by_stddev),
        partial(optax.scale_by_stddev, decay=0.99, eps_in_sqrt=False),
        numpy=formulas.stddev, numerator=gradient, wrong=ROOT_WRONG,
    ),
    both(
        "scale_by_stddev-eps_in_sqrt", ro.scale_by_stddev, optax.scale_by_stddev,
        hyperparams=OPTAX_ROOT, numpy=partial(formulas.stddev, **OPTAX_ROOT),
        numerator=gradient,
    ),
    # Without an initial scale the first variance is 0 up to rounding, in Optax NaN.
    both(
        "scale_by_stddev-bias_correction", ro.scale_by_stddev, optax.scale_by_stddev,
        hyperparams={
            "decay": 0.95, "eps": 1e-2, "eps_in_sqrt": False, "bias_correction": True,
            "initial_scale": 1.0,
        },
        numpy=partial(
            formulas.stddev, decay=0.95, eps=1e-2, bias_correction=True, initial_scale=1.0
        ),
        numerator=gradient, wrong={"decay": 1.0},
    ),
    both(
        "scale_by_rss", ro.scale_by_rss, optax.scale_by_rss, numpy=formulas.rss,
        numerator=gradient, wrong={"initial_accumulator_value": -0.1, "eps": -1e-8},
    ),
    both(
        "scale_by_rss-from-zero", ro.scale_by_rss, optax.scale_by_rss,
        hyperparams={"initial_accumulator_value": 0.0, "eps": 1e-3},
        numpy=partial(formulas.rss, 0.0, 1e-3), numerator=gradient,
    ),
]  # fmt: skip

ADAM = [
    both(
        "scale_by_adam", ro.scale_by_adam, optax.scale_by_adam, numpy=formulas.adam,
        numerator=lambda g, state, t: unbiased(state.mu, 0.9, t), wrong=ADAM_WRONG,
    ),
    both(
        "scale_by_adam-eps_root", ro.scale_by_adam, optax.scale_by_adam,
        hyperparams={"b1": 0.8, "b2": 0.99, "eps": 1e-3, "eps_root": 1e-2},
        numpy=partial(formulas.adam, 0.8, 0.99, 1e-3, 1e-2),
        numerator=lambda g, state, t: unbiased(state.mu, 0.8, t),
    ),
    both(
        "scale_by_adam-nesterov", ro.scale_by_adam, optax.scale_by_adam,
        hyperparams={"nesterov": True}, numpy=partial(formulas.adam, nesterov=True),
    ),
    both(
        "scale_by_adam-bfloat16", ro.scale_by_adam, optax.scale_by_adam, complex=False,
        hyperparams={"mu_dtype": jnp.bfloat16},
        allow=Allowance(optax_dtype=jnp.bfloat16),
    ),
]  # fmt: skip

SIGNS = [
    both(
        "scale_by_lion", ro.scale_by_lion, optax.scale_by_lion, numpy=formulas.lion,
        wrong=LION_WRONG, unsteady=OF_A_SIGN,
    ),
    both(
        "scale_by_lion-smooth", ro.scale_by_lion, optax.scale_by_lion, complex=False,
        hyperparams={"mode": "smooth", "smooth_beta": 3.0},
        numpy=partial(formulas.lion, mode="smooth", smooth_beta=3.0), unsteady=OF_A_SIGN,
    ),
    both(
        "scale_by_lion-refined", ro.scale_by_lion, optax.scale_by_lion, complex=False,
        hyperparams={"b1": 0.8, "b2": 0.95, "mode": "refined"},
        numpy=partial(formulas.lion, 0.8, 0.95, mode="refined"), unsteady=OF_A_SIGN,
    ),
]  # fmt: skip

CLIPS = [
    both(
        "clip", ro.clip, optax.clip, hyperparams={"max_delta": 0.5}, complex=False,
        numpy=partial(formulas.clip, 0.5), wrong={"max_delta": -1.0}, real=True,
    ),
    both(
        "clip_by_global_norm", ro.clip_by_global_norm, optax.clip_by_global_norm,
        hyperparams={"max_norm": 0.5}, numpy=partial(formulas.clip_by_global_norm, 0.5),
        wrong={"max_norm": -1.0}, across=True,
    ),
    both(
        "clip_by_global_norm-sometimes", ro.clip_by_global_norm, optax.clip_by_global_norm,
        hyperparams={"max_norm": 5.0}, numpy=partial(formulas.clip_by_global_norm, 5.0),
        across=True,
    ),
    both(
        "clip_by_global_norm-never", ro.clip_by_global_norm, optax.clip_by_global_norm,
        hyperparams={"max_norm": 1e6}, numpy=partial(formulas.scale, 1.0), across=True,
        numerator=gradient,
    ),
]  # fmt: skip

TRANSFORMS = [*SCALES, *MOMENTUM, *SECOND_MOMENTS, *ADAM, *SIGNS, *CLIPS]
