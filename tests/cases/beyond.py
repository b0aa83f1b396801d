"""Rows of what Optax lacks; the oracles are the papers' algorithms."""

from functools import partial

import regopt_jax as ro
from tests.cases.case import Case
from tests.cases.common import ADAM_WRONG, WRONG_RATE, unbiased
from tests.oracles import beyond, formulas

SOAP_WRONG = {
    "b1": 1.0,
    "b2": -0.1,
    "shampoo_beta": 1.0,
    "eps": -1e-8,
    "precondition_frequency": 0,
    "max_precond_dim": 0,
}
SHAMPOO_WRONG = {"b2": 1.0, "eps": 0.0, "precondition_frequency": 0, "max_precond_dim": 0}
MARS_WRONG = {"b1": 1.0, "gamma": -0.1}
DECAY_AND_RATE = (formulas.add_gradient_of(l2=0.1), formulas.learning_rate(0.01))


def mars(b1=0.95, b2=0.99):
    return (
        beyond.mars_correction(b1), beyond.clip_by_leaf_norm(1.0),
        formulas.adam(b1, b2),
    )  # fmt: skip


WRAPPERS = [
    Case(
        "cautious", partial(ro.cautious, ro.scale_by_adam()),
        numpy=lambda: beyond.cautious(formulas.adam()),
    ),
    Case(
        "cautious-optimizer", partial(ro.cautious, ro.sgd(0.1, 0.9)),
        numpy=lambda: beyond.cautious(
            formulas.chain(formulas.trace(0.9), formulas.learning_rate(0.1)), sign=-1
        ),
    ),
    Case(
        "clip_update_rms", partial(ro.clip_update_rms, ro.scale_by_adam(b2=0.9, eps=1e-16)),
        numpy=lambda: formulas.chain(beyond.stable_adamw(-1.0, b2=0.9, eps=1e-16)),
        wrong={"threshold": 0.0},
    ),
    Case(
        "stable_adamw",
        partial(
            ro.stable_adamw, learning_rate=0.01, eps=1e-16, weight_decay=0.1, threshold=0.7
        ),
        numpy=lambda: beyond.stable_adamw(0.01, eps=1e-16, weight_decay=0.1, threshold=0.7),
        needs_params=True,
        wrong={**WRONG_RATE, **ADAM_WRONG, "weight_decay": -0.1, "threshold": 0.0},
        unsteady="its row clips a step of Adam's usual size",
    ),
    Case(
        "accumulate_into_moments",
        partial(ro.accumulate_into_moments, ro.adamw(0.01, weight_decay=0.1), every_k=4),
        numpy=lambda: formulas.chain(
            beyond.adam_accumulation(4),
            beyond.on_steps(4, formulas.chain(*DECAY_AND_RATE)),
        ),
        needs_params=True, wrong={"every_k": 0},
    ),
    Case(
        "accumulate_into_moments-one",
        partial(ro.accumulate_into_moments, ro.scale_by_adam(), every_k=1),
        numpy=formulas.adam,
    ),
]  # fmt: skip

MARS = [
    Case(
        "mars_correction", partial(ro.mars_correction), numpy=beyond.mars_correction,
        wrong=MARS_WRONG,
    ),
    Case(
        "clip_by_leaf_norm", partial(ro.clip_by_leaf_norm, max_norm=0.5),
        numpy=lambda: beyond.clip_by_leaf_norm(0.5), wrong={"max_norm": 0.0},
    ),
    Case(
        "scale_by_mars", partial(ro.scale_by_mars), numpy=lambda: formulas.chain(*mars()),
        numerator=lambda g, state, t: unbiased(state[2].mu, 0.95, t),
        wrong={**MARS_WRONG, "b2": -0.1, "eps": -1e-8, "max_norm": 0.0},
    ),
    Case(
        "mars", partial(ro.mars, learning_rate=0.01, b1=0.9, weight_decay=0.1),
        numpy=lambda: formulas.chain(*mars(0.9), *DECAY_AND_RATE), needs_params=True,
        wrong={**WRONG_RATE, **MARS_WRONG, "weight_decay": -0.1},
    ),
]  # fmt: skip

FACTORED = [
    Case(
        "scale_by_neuron_rms", partial(ro.scale_by_neuron_rms, b2=0.9, rms=0.3),
        numpy=lambda: beyond.neuron_rms(0.9, rms=0.3), leaves_alike=False,
        wrong={"b2": 1.0, "eps": -1e-10, "rms": 0.0},
    ),
    Case(
        "scale_by_soap",
        partial(ro.scale_by_soap, precondition_frequency=4, max_precond_dim=3, eps=1e-3),
        numpy=lambda: beyond.soap(every_k=4, longest=3, eps=1e-3),
        leaves_alike=False, wrong=SOAP_WRONG,
    ),
    Case(
        "soap",
        partial(ro.soap, learning_rate=0.01, max_precond_dim=3, weight_decay=0.1, eps=1e-3),
        numpy=lambda: formulas.chain(
            beyond.soap(longest=3, eps=1e-3), *DECAY_AND_RATE
        ),
        leaves_alike=False, needs_params=True,
        wrong={**WRONG_RATE, **SOAP_WRONG, "weight_decay": -0.1},
    ),
    Case(
        "scale_by_shampoo", partial(ro.scale_by_shampoo, eps=0.1),
        numpy=lambda: beyond.shampoo(eps=0.1), leaves_alike=False, wrong=SHAMPOO_WRONG,
    ),
    Case(
        "scale_by_shampoo-stale-average",
        partial(ro.scale_by_shampoo, b2=0.9, precondition_frequency=3, max_precond_dim=3),
        numpy=lambda: beyond.shampoo(every_k=3, longest=3, decay=0.9), leaves_alike=False,
    ),
    Case(
        "shampoo", partial(ro.shampoo, learning_rate=0.01, momentum=0.9, eps=0.1),
        numpy=lambda: formulas.chain(
            beyond.shampoo(eps=0.1), formulas.trace(0.9), formulas.learning_rate(0.01)
        ),
        leaves_alike=False, needs_params=True,
        wrong={**WRONG_RATE, **SHAMPOO_WRONG, "momentum": 1.5, "weight_decay": -0.1},
    ),
]  # fmt: skip


def normuon(beta=0.95, b2=0.95, rms=0.2, nesterov=True):
    """With a weight decay of 0.1 on matrices, Adam for the rest."""
    return formulas.where(
        lambda w: w.ndim == 2,
        formulas.chain(
            beyond.orthogonal_momentum(beta, nesterov), beyond.neuron_rms(b2, rms=rms),
            *DECAY_AND_RATE,
        ),
        formulas.chain(formulas.adam(), formulas.learning_rate(0.01)),
    )  # fmt: skip


NORMUON = [
    Case(
        "normuon", partial(ro.normuon, learning_rate=0.01, weight_decay=0.1), numpy=normuon,
        leaves_alike=False, needs_params=True,
        wrong={
            **WRONG_RATE, "beta": 1.0, "b2": 1.0, "eps": -1e-8, "rms": 0.0, "weight_decay": -0.1,
            "adam_b1": 1.0, "adam_b2": 1.0, "adam_weight_decay": -0.1, "adam_learning_rate": -0.1,
        },
    ),
    Case(
        "normuon-paper",
        partial(
            ro.normuon, learning_rate=0.01, beta=0.9, b2=0.8, weight_decay=0.1, rms=0.3,
            nesterov=False,
        ),
        numpy=partial(normuon, 0.9, 0.8, 0.3, nesterov=False),
        leaves_alike=False, needs_params=True,
    ),
]  # fmt: skip

BEYOND = [*WRAPPERS, *MARS, *FACTORED, *NORMUON]
