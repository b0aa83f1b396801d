"""Rows of the placements of a regulariser."""

from functools import partial

import optax

import regopt_jax as ro
from tests.cases.case import Allowance, Case
from tests.cases.common import (
    AFTER_THE_STEP,
    L1,
    L2,
    both,
    cooling,
    is_matrix,
    torch_optimizer,
    warming,
)
from tests.oracles import formulas


def optax_sgd_parts():
    return optax.trace(0.9), optax.scale_by_learning_rate(0.05)


def placed(name, place, regularizer, **strengths):
    return Case(
        f"{place.__name__}-{name}", partial(place, regularizer),
        numpy=partial(formulas.add_gradient_of, **strengths), needs_params=True,
    )  # fmt: skip


REGULARIZERS = [
    both(
        "add_decayed_weights", ro.add_decayed_weights, optax.add_decayed_weights,
        hyperparams={"weight_decay": 0.1}, numpy=partial(formulas.add_gradient_of, l2=0.1),
        needs_params=True, wrong={"weight_decay": -0.1},
    ),
    both(
        "add_decayed_weights-schedule", ro.add_decayed_weights, optax.add_decayed_weights,
        hyperparams={"weight_decay": cooling},
        numpy=partial(formulas.add_gradient_of, l2=cooling), needs_params=True,
    ),
    both(
        "add_decayed_weights-mask", ro.add_decayed_weights, optax.add_decayed_weights,
        hyperparams={"weight_decay": 0.1, "mask": ro.select(min_ndim=2)},
        numpy=lambda: formulas.where(is_matrix, formulas.add_gradient_of(l2=0.1)),
        needs_params=True, leaves_alike=False,
    ),
    *(
        placed(name, place, regularizer, **strengths)
        for name, place, regularizer, strengths in [
            ("l1", ro.coupled, ro.l1(L1), {"l1": L1}),
            ("l2", ro.coupled, ro.l2(L2), {"l2": L2}),
            ("l2", ro.decoupled, ro.l2(L2), {"l2": L2}),
            ("elastic_net", ro.decoupled, ro.elastic_net(L1, warming), {"l1": L1, "l2": warming}),
        ]
    ),
    Case(
        "coupled-selected", partial(ro.coupled, ro.l1(L1).on(ro.select(min_ndim=2))),
        numpy=lambda: formulas.where(is_matrix, formulas.add_gradient_of(l1=L1)),
        needs_params=True, leaves_alike=False,
    ),
    Case(
        "decoupled-cautious", partial(ro.decoupled, ro.l2(L2), cautious=True),
        numpy=partial(formulas.add_gradient_of, l2=L2, cautious=True),
        needs_params=True, complex=False,
    ),
    Case(
        "constant_norm", partial(ro.constant_norm, ro.sgd(0.1)),
        numpy=lambda: formulas.chain(formulas.learning_rate(0.1), formulas.constant_norm()),
        needs_params=True, unsteady=AFTER_THE_STEP,
    ),
    Case(
        "proximal-l1", partial(ro.proximal, ro.sgd(cooling), ro.l1(L1)),
        numpy=partial(formulas.ista, cooling, L1), needs_params=True, unsteady=AFTER_THE_STEP,
    ),
    Case(
        "proximal-l2", partial(ro.proximal, ro.sgd(0.01), ro.l2(L2)),
        numpy=partial(formulas.ista, 0.01, l2=L2), needs_params=True, unsteady=AFTER_THE_STEP,
    ),
    Case(
        "proximal-elastic_net-schedule",
        partial(ro.proximal, ro.sgd(0.01), ro.elastic_net(warming, L2)),
        numpy=partial(formulas.ista, 0.01, warming, L2), needs_params=True, unsteady=AFTER_THE_STEP,
    ),
    Case(
        "proximal-adam", partial(ro.proximal, ro.adam(0.01), ro.elastic_net(L1, L2)),
        numpy=partial(formulas.proximal_adam, 0.01, l1=L1, l2=L2), needs_params=True,
        unsteady=AFTER_THE_STEP, allow=Allowance(stores_gradients=True),
    ),
    Case(
        "regularize-coupled",
        partial(ro.regularize, ro.sgd(0.05, 0.9), ro.l2(L2), how="coupled"),
        lambda: optax.chain(optax.add_decayed_weights(L2), *optax_sgd_parts()),
        torch=torch_optimizer("SGD", lr=0.05, momentum=0.9, weight_decay=L2),
        needs_params=True, wrong={"how": "inside"},
    ),
    Case(
        "regularize-coupled-adam",
        partial(ro.regularize, ro.adam(0.01), ro.l2(L2), how="coupled"),
        numpy=lambda: formulas.chain(
            formulas.add_gradient_of(l2=L2), formulas.adam(), formulas.learning_rate(0.01)
        ),
        torch=torch_optimizer("Adam", lr=0.01, weight_decay=L2), needs_params=True,
    ),
    Case(
        "regularize-decoupled",
        partial(ro.regularize, ro.adam(0.01), ro.l1(L1), how="decoupled"),
        numpy=lambda: formulas.chain(
            formulas.adam(), formulas.add_gradient_of(l1=L1), formulas.learning_rate(0.01)
        ),
        needs_params=True,
    ),
    Case(
        "regularize-proximal",
        partial(
            ro.regularize, ro.accumulate(ro.adam(0.01), 3, accumulator_dtype=None), ro.l1(L1),
            how="proximal",
        ),
        numpy=lambda: formulas.accumulate(formulas.proximal_adam(0.01, l1=L1), 3),
        needs_params=True,
    ),
]  # fmt: skip
