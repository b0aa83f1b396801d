"""Rows of the optimisers."""

from functools import partial

import jax
import jax.numpy as jnp
import optax

import regopt_jax as ro
from tests.cases.case import Allowance, Case
from tests.cases.common import (
    ADAM_WRONG,
    L2,
    OF_A_SIGN,
    OPTAX_ROOT,
    ROOT_WRONG,
    WRONG_RATE,
    adam_and_rate,
    adam_decay_rate,
    both,
    cooling,
    descent,
    is_matrix,
    scaled,
    torch_optimizer,
    unbiased,
    warming,
    warmup_then_cosine,
)
from tests.oracles import formulas

OPTIMIZERS = [
    both(
        "sgd", ro.sgd, optax.sgd, hyperparams={"learning_rate": 0.1},
        numpy=partial(formulas.learning_rate, 0.1), torch=torch_optimizer("SGD", lr=0.1),
        wrong={**WRONG_RATE, "momentum": 1.5}, numerator=descent,
    ),
    both(
        "sgd-schedule", ro.sgd, optax.sgd, hyperparams={"learning_rate": cooling},
        numpy=partial(formulas.learning_rate, cooling),
        torch=torch_optimizer("SGD", lr=1.0), torch_learning_rate=cooling, numerator=descent,
    ),
    both(
        "sgd-momentum", ro.sgd, optax.sgd,
        hyperparams={"learning_rate": cooling, "momentum": 0.9},
        numpy=lambda: formulas.chain(formulas.trace(0.9), formulas.learning_rate(cooling)),
        torch=torch_optimizer("SGD", lr=1.0, momentum=0.9), torch_learning_rate=cooling,
        numerator=lambda g, state, t: scaled(state[0].trace, -0.1),
    ),
    both(
        "sgd-nesterov", ro.sgd, optax.sgd,
        hyperparams={"learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
        torch=torch_optimizer("SGD", lr=0.05, momentum=0.9, nesterov=True),
    ),
    both(
        "sgd-bfloat16", ro.sgd, optax.sgd, complex=False,
        hyperparams={
            "learning_rate": 0.05, "momentum": 0.9, "accumulator_dtype": jnp.bfloat16,
        },
        allow=Allowance(optax_dtype=jnp.bfloat16),
    ),
    Case(
        "chain-dampening",
        partial(
            ro.chain, ro.coupled(ro.l2(L2)), ro.trace(0.9, dampening=0.3),
            ro.scale_by_learning_rate(0.05),
        ),
        torch=torch_optimizer("SGD", lr=0.05, momentum=0.9, dampening=0.3, weight_decay=L2),
        needs_params=True,
    ),
    Case(
        "rmsprop", partial(ro.rmsprop, learning_rate=0.01),
        partial(optax.rmsprop, 0.01, decay=0.99, eps_in_sqrt=False),
        numpy=lambda: formulas.chain(formulas.rms(), formulas.learning_rate(0.01)),
        torch=torch_optimizer("RMSprop", lr=0.01, alpha=0.99, eps=1e-8),
        wrong={**WRONG_RATE, **ROOT_WRONG, "momentum": -0.5}, numerator=descent,
    ),
    both(
        "rmsprop-eps_in_sqrt", ro.rmsprop, optax.rmsprop,
        hyperparams={"learning_rate": cooling, **OPTAX_ROOT},
        numpy=lambda: formulas.chain(
            formulas.rms(**OPTAX_ROOT), formulas.learning_rate(cooling)
        ),
        numerator=descent,
    ),
    both(
        "rmsprop-centered-momentum", ro.rmsprop, optax.rmsprop,
        hyperparams={
            "learning_rate": 0.01, "decay": 0.9, "eps": 1e-3, "eps_in_sqrt": False,
            "centered": True, "momentum": 0.8,
        },
        torch=torch_optimizer(
            "RMSprop", lr=0.01, alpha=0.9, eps=1e-3, centered=True, momentum=0.8
        ),
    ),
    both(
        "rmsprop-nesterov-bias_correction", ro.rmsprop, optax.rmsprop,
        hyperparams={
            "learning_rate": cooling, "decay": 0.9, "eps": 1e-3, "eps_in_sqrt": False,
            "momentum": 0.8, "nesterov": True, "bias_correction": True,
        },
        allow=Allowance(stores_gradients=True),
        numpy=lambda: formulas.chain(
            formulas.rms(0.9, 1e-3, bias_correction=True), formulas.learning_rate(cooling),
            formulas.trace(0.8, nesterov=True),
        ),
        unsteady="its momentum remembers the rates of a schedule that falls",
    ),
    both(
        "adam", ro.adam, optax.adam, hyperparams={"learning_rate": 0.01},
        numpy=adam_and_rate(), torch=torch_optimizer("Adam", lr=0.01),
        wrong={**WRONG_RATE, **ADAM_WRONG},
        numerator=lambda g, state, t: jax.tree.map(
            jnp.negative, unbiased(state[0].mu, 0.9, t)
        ),
    ),
    both(
        "adam-schedule", ro.adam, optax.adam,
        hyperparams={
            "learning_rate": cooling, "b1": 0.8, "b2": 0.98, "eps": 1e-2, "eps_root": 1e-3,
        },
        numpy=lambda: formulas.chain(
            formulas.adam(0.8, 0.98, 1e-2, 1e-3), formulas.learning_rate(cooling)
        ),
    ),
    both(
        "adamw", ro.adamw, optax.adamw,
        hyperparams={"learning_rate": 0.01, "eps": 1e-3, "weight_decay": 0.1},
        numpy=adam_decay_rate(formulas.add_gradient_of(l2=0.1), eps=1e-3),
        torch=torch_optimizer("AdamW", lr=0.01, eps=1e-3, weight_decay=0.1),
        needs_params=True, wrong={**WRONG_RATE, **ADAM_WRONG, "weight_decay": -0.1},
    ),
    both(
        "adamw-mask", ro.adamw, optax.adamw,
        hyperparams={
            "learning_rate": 0.01, "weight_decay": warming, "mask": ro.select(min_ndim=2),
        },
        numpy=lambda: formulas.chain(
            formulas.adam(),
            formulas.where(is_matrix, formulas.add_gradient_of(l2=warming)),
            formulas.learning_rate(0.01),
        ),
        needs_params=True, leaves_alike=False,
    ),
    both(
        "nadam", ro.nadam, optax.nadam, hyperparams={"learning_rate": 0.01},
        numpy=adam_and_rate(nesterov=True), wrong={**WRONG_RATE, **ADAM_WRONG},
    ),
    both(
        "nadamw", ro.nadamw, optax.nadamw,
        hyperparams={"learning_rate": 0.01, "weight_decay": 0.1},
        numpy=adam_decay_rate(formulas.add_gradient_of(l2=0.1), nesterov=True),
        needs_params=True, wrong={**WRONG_RATE, **ADAM_WRONG, "weight_decay": -0.1},
    ),
    both(
        "adagrad", ro.adagrad, optax.adagrad, hyperparams={"learning_rate": 0.1},
        numpy=lambda: formulas.chain(formulas.rss(), formulas.learning_rate(0.1)),
        wrong={**WRONG_RATE, "initial_accumulator_value": -0.1, "eps": -1.0},
        numerator=descent,
    ),
    # PyTorch adds ε outside the root; without one the two are the same.
    both(
        "adagrad-eps", ro.adagrad, optax.adagrad,
        hyperparams={"learning_rate": cooling, "initial_accumulator_value": 0.5, "eps": 0.0},
        torch=torch_optimizer("Adagrad", lr=1.0, initial_accumulator_value=0.5, eps=0.0),
        torch_learning_rate=cooling,
    ),
    both(
        "lion", ro.lion, optax.lion, hyperparams={"learning_rate": 0.01, "weight_decay": 0.1},
        numpy=lambda: formulas.chain(
            formulas.lion(), formulas.add_gradient_of(l2=0.1), formulas.learning_rate(0.01)
        ),
        needs_params=True,
        wrong={**WRONG_RATE, "b1": 1.5, "b2": -0.1, "weight_decay": -0.1}, unsteady=OF_A_SIGN,
    ),
    Case(
        "recommended", partial(ro.recommended, total_steps=60, peak=0.01),
        lambda: optax.chain(
            optax.clip_by_global_norm(1.0),
            optax.adamw(
                optax.warmup_cosine_decay_schedule(0.0, 0.01, 3, 60),
                weight_decay=0.05, mask=ro.select(min_ndim=2),
            ),
        ),
        numpy=lambda: formulas.chain(
            formulas.clip_by_global_norm(1.0), formulas.adam(),
            formulas.where(is_matrix, formulas.add_gradient_of(l2=0.05)),
            formulas.learning_rate(warmup_then_cosine),
        ),
        # Optax's schedule is float32 even under x64.
        needs_params=True, leaves_alike=False, across=True,
        allow=Allowance(optax_dtype=jnp.float32),
        wrong={
            "total_steps": 0, "peak": -1e-3, "weight_decay": -0.1, "max_norm": -1.0,
            "warmup_fraction": 1.0,
        },
    ),
]  # fmt: skip
