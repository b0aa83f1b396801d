"""Rows of Adafactor, LARS, LAMB and what else steps by the sizes of arrays."""

import warnings
from functools import partial

import jax.numpy as jnp
import optax

import regopt_jax as ro
from tests.cases.case import Allowance, Case
from tests.cases.common import ADAM_WRONG, L2, NOISE, WRONG_RATE, both, cooling, is_matrix
from tests.oracles import formulas, layerwise as oracles

POLYAK_WRONG = {
    "f_min": float("nan"), "max_learning_rate": 0.0, "eps": -1.0, "variant": "sps++",
}  # fmt: skip


def silently(make, **hyperparams):
    """Optax's, without the warning that it will be replaced."""

    def build():
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            return make(**hyperparams)

    return build


def adafactor(rate, shortest=2, scale=True, **rest):
    return formulas.chain(
        oracles.factored_rms(shortest=shortest, **rest), oracles.block_rms_clip(1.0),
        formulas.scale(rate), *([oracles.param_block_rms()] if scale else []),
        formulas.scale(-1.0),
    )  # fmt: skip


LAYERWISE_OPTIMIZERS = [
    both(
        "adafactor", ro.adafactor, optax.adafactor,
        hyperparams={"learning_rate": 0.1, "min_dim_size_to_factor": 2},
        numpy=partial(adafactor, 0.1), needs_params=True, leaves_alike=False,
        allow=Allowance(optax_dtype=jnp.float32),
        wrong={
            **WRONG_RATE, "decay_rate": -0.5, "min_dim_size_to_factor": 0,
            "clipping_threshold": 0.0, "momentum": 1.5, "weight_decay_rate": -0.1,
        },
    ),
    both(
        "adafactor-schedule", ro.adafactor, optax.adafactor,
        hyperparams={
            "learning_rate": cooling, "min_dim_size_to_factor": 3, "decay_rate": 0.7,
            "multiply_by_parameter_scale": False, "eps": 1e-3,
        },
        numpy=partial(adafactor, cooling, 3, scale=False, power=0.7, eps=1e-3),
        needs_params=True, leaves_alike=False, allow=Allowance(optax_dtype=jnp.float32),
    ),
    both(
        "adafactor-momentum-decay", ro.adafactor, optax.adafactor,
        hyperparams={
            "learning_rate": 0.01, "clipping_threshold": None, "momentum": 0.9,
            "dtype_momentum": None,
            "weight_decay_rate": 1e-3, "weight_decay_mask": ro.select(min_ndim=2),
            "factored": False,
        },
        needs_params=True, leaves_alike=False,
        allow=Allowance(optax_dtype=jnp.float32, ulps=16),  # over thirty steps
    ),
    both(
        "fromage", ro.fromage, optax.fromage, hyperparams={"learning_rate": 0.1},
        numpy=partial(oracles.fromage, 0.1), needs_params=True,
        wrong={**WRONG_RATE, "min_norm": -1.0},
    ),
    # Optax subtracts 1 from a number that float32 rounds, 1/√(1 + α²).
    both(
        "fromage-schedule", ro.fromage, optax.fromage, hyperparams={"learning_rate": cooling},
        numpy=partial(oracles.fromage, cooling), needs_params=True, allow=Allowance(ulps=128),
    ),
    both(
        "lamb", ro.lamb, optax.lamb, hyperparams={"learning_rate": 0.01, "weight_decay": L2},
        numpy=lambda: formulas.chain(
            formulas.adam(eps=1e-6), formulas.add_gradient_of(l2=L2), oracles.trust_ratio(),
            formulas.learning_rate(0.01),
        ),
        needs_params=True, wrong={**WRONG_RATE, **ADAM_WRONG, "weight_decay": -0.1},
    ),
    both(
        "lars", ro.lars, optax.lars, hyperparams={"learning_rate": 0.1, "weight_decay": L2},
        numpy=lambda: formulas.chain(
            formulas.add_gradient_of(l2=L2), oracles.trust_ratio(coefficient=0.001),
            formulas.learning_rate(0.1), formulas.trace(0.9),
        ),
        needs_params=True,
        wrong={
            **WRONG_RATE, "weight_decay": -0.1, "trust_coefficient": -1.0, "eps": -1.0,
            "momentum": 1.5,
        },
    ),
    both(
        "lars-masks", ro.lars, optax.lars,
        hyperparams={
            "learning_rate": cooling, "weight_decay": L2, "trust_coefficient": 0.01,
            "weight_decay_mask": ro.select(min_ndim=2), "eps": 1e-3, "nesterov": True,
            "trust_ratio_mask": ro.select(min_ndim=2),
        },
        numpy=lambda: formulas.chain(
            formulas.where(is_matrix, formulas.add_gradient_of(l2=L2)),
            formulas.where(is_matrix, oracles.trust_ratio(coefficient=0.01, eps=1e-3)),
            formulas.learning_rate(cooling), formulas.trace(0.9, nesterov=True),
        ),
        needs_params=True, leaves_alike=False,
    ),
    both(
        "noisy_sgd", ro.noisy_sgd, optax.noisy_sgd,
        hyperparams={"learning_rate": cooling, "key": 5}, random=True, unsteady=NOISE,
        wrong={**WRONG_RATE, "eta": -1.0},
    ),
    both(
        "optimistic_gradient_descent", ro.optimistic_gradient_descent,
        optax.optimistic_gradient_descent,
        hyperparams={"learning_rate": cooling, "alpha": 0.8, "beta": 0.5},
        numpy=lambda: formulas.chain(
            oracles.optimistic(0.8, 0.5), formulas.learning_rate(cooling)
        ),
        wrong={**WRONG_RATE, "alpha": -1.0},
    ),
    Case(
        "optimistic_adam", partial(ro.optimistic_adam, learning_rate=0.01, optimism=0.02),
        silently(optax.optimistic_adam, learning_rate=0.01, optimism=0.02),
        numpy=lambda: formulas.chain(
            formulas.adam(nesterov=True), oracles.optimistic(0.01, 0.02), formulas.scale(-1.0)
        ),
        wrong={**WRONG_RATE, **ADAM_WRONG, "optimism": float("inf")},
        allow=Allowance(stores_gradients=True),
    ),
    Case(
        "optimistic_adam-default", partial(ro.optimistic_adam, 0.01, nesterov=False),
        silently(optax.optimistic_adam, learning_rate=0.01, nesterov=False),
        numpy=lambda: formulas.chain(
            formulas.adam(), oracles.optimistic(0.01, 0.01), formulas.scale(-1.0)
        ),
        allow=Allowance(stores_gradients=True),
    ),
    both(
        "optimistic_adam_v2", ro.optimistic_adam_v2, optax.optimistic_adam_v2,
        hyperparams={"learning_rate": cooling, "beta": 0.5},
        numpy=lambda: formulas.chain(
            formulas.adam(nesterov=True), oracles.optimistic(1.0, 0.5),
            formulas.learning_rate(cooling),
        ),
        wrong={**WRONG_RATE, **ADAM_WRONG, "alpha": -1.0}, allow=Allowance(stores_gradients=True),
    ),
    both(
        "polyak_sgd", ro.polyak_sgd, optax.polyak_sgd, extra_args={"value": 2.0}, across=True,
        numpy=lambda: formulas.chain(formulas.learning_rate(1.0), oracles.polyak(2.0)),
        wrong={**POLYAK_WRONG, "scaling": -1.0},
    ),
    both(
        "polyak_sgd-schedule", ro.polyak_sgd, optax.polyak_sgd,
        hyperparams={
            "max_learning_rate": 0.2, "scaling": cooling, "f_min": 3.0, "variant": "sps+",
        },
        extra_args={"value": 4.0}, across=True,
        numpy=lambda: formulas.chain(
            formulas.learning_rate(cooling), oracles.polyak(4.0, 3.0, 0.2)
        ),
    ),
]  # fmt: skip
