"""Rows of chains, masks and partitions."""

from functools import partial

import optax

import regopt_jax as ro
from tests.cases.case import Case
from tests.cases.common import L2, adam_decay_rate, by_rank, cooling, is_matrix, to_kernels
from tests.oracles import formulas

COMBINATIONS = [
    Case(
        "masked", partial(ro.masked, ro.adam(0.01), ro.select("**/kernel")),
        lambda: optax.masked(optax.adam(0.01), to_kernels), leaves_alike=False,
    ),
    Case(
        "masked-rank", partial(ro.masked, ro.sgd(0.1), ro.select(min_ndim=2)),
        lambda: optax.masked(optax.sgd(0.1), ro.select(min_ndim=2)),
        numpy=lambda: formulas.where(is_matrix, formulas.learning_rate(0.1)),
        leaves_alike=False,
    ),
    Case(
        "partition",
        partial(ro.partition, {"matrix": ro.adamw(0.01), "vector": ro.sgd(0.1, 0.9)}, by_rank),
        lambda: optax.partition(
            {"matrix": optax.adamw(0.01), "vector": optax.sgd(0.1, 0.9)}, by_rank
        ),
        numpy=lambda: formulas.where(
            is_matrix,
            adam_decay_rate(formulas.add_gradient_of(l2=1e-4))(),
            formulas.chain(formulas.trace(0.9), formulas.learning_rate(0.1)),
        ),
        needs_params=True, leaves_alike=False,
    ),
    Case(
        "partition-of-theirs",
        partial(
            ro.partition, {"matrix": optax.adamw(0.01), "vector": ro.lion(0.001)}, by_rank
        ),
        lambda: optax.partition(
            {"matrix": optax.adamw(0.01), "vector": optax.lion(0.001)}, by_rank
        ),
        needs_params=True, leaves_alike=False, theirs_inside=True,
    ),
    Case(
        "chain",
        partial(ro.chain, ro.clip_by_global_norm(1.0), ro.trace(0.9), ro.scale(-0.1)),
        lambda: optax.chain(optax.clip_by_global_norm(1.0), optax.trace(0.9), optax.scale(-0.1)),
        numpy=lambda: formulas.chain(
            formulas.clip_by_global_norm(1.0), formulas.trace(0.9), formulas.scale(-0.1)
        ),
        across=True,
    ),
    Case(
        "chain-of-theirs",
        partial(
            ro.chain, optax.clip_by_global_norm(1.0), ro.scale_by_rms(), optax.scale(-0.01)
        ),
        lambda: optax.chain(
            optax.clip_by_global_norm(1.0),
            optax.scale_by_rms(0.99, eps_in_sqrt=False),
            optax.scale(-0.01),
        ),
        across=True, theirs_inside=True,
    ),
    Case(
        "named_chain",
        partial(
            ro.named_chain, ("moments", ro.scale_by_adam()), ("decay", ro.decoupled(ro.l2(L2))),
            ("rate", ro.scale_by_learning_rate(cooling)),
        ),
        lambda: optax.named_chain(
            ("moments", optax.scale_by_adam()), ("decay", optax.add_decayed_weights(L2)),
            ("rate", optax.scale_by_learning_rate(cooling)),
        ),
        numpy=lambda: formulas.chain(
            formulas.adam(), formulas.add_gradient_of(l2=L2), formulas.learning_rate(cooling)
        ),
        needs_params=True,
    ),
]  # fmt: skip
