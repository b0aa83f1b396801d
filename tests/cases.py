"""One row for every public transformation and each of its variants; the laws run over all.

A row is data: how to build ours, its oracles, what it refuses, and where it honestly
differs from the others. A new transformation needs an export and a row here.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

import regopt_jax as ro
from tests.case import Case
from tests.cases_proximal import PROXIMAL
from tests.oracles import formulas


def both(name, ours, theirs, **rest):
    """A row whose variant has the same arguments in Optax."""
    keywords = rest.pop("hyperparams", {})
    return Case(name, partial(ours, **keywords), partial(theirs, **keywords), **rest)


def as_float(t):
    return t.astype(float) if isinstance(t, jax.Array) else float(t)


def cooling(t):
    """A schedule that ours, Optax, NumPy and PyTorch can all call."""
    return 0.1 / (1.0 + as_float(t))


def warming(t):
    return 0.01 * (1.0 + as_float(t))


def gradient(g, state, t):
    return g


def descent(g, state, t):
    return jax.tree.map(jnp.negative, g)


def scaled(tree, factor):
    """The mean gradient that a trace holds is (1-ρ)/(1-d) of it."""
    return jax.tree.map(lambda x: factor * x, tree)


def unbiased(tree, decay, t):
    return jax.tree.map(lambda m: m / (1 - decay**t), tree)


def torch_optimizer(name, **hyperparams):
    def build(weights):
        import torch

        return getattr(torch.optim, name)(weights, **hyperparams)

    return build


def every_third(step):
    return 3


def two_then_four(step):
    return jnp.where(step < 5, 2, 4)


def skip_not_finite(updates, step, params):
    return optax.skip_not_finite(updates, step, params)


def to_kernels(tree):
    """A mask by path that leaves ``None`` and masked nodes where they are."""
    return jax.tree.map_with_path(lambda path, _: "kernel" in jax.tree_util.keystr(path), tree)


def by_rank(tree):
    return jax.tree.map(lambda x: "matrix" if jnp.ndim(x) >= 2 else "vector", tree)


def is_matrix(w):
    return w.ndim >= 2


L1, L2 = 0.02, 0.1


def warmup_then_cosine(t):
    """The lecture's default over 60 steps, 5% of them warmup, with a peak of 0.01."""
    return 0.01 * (t / 3 if t < 3 else 0.5 * (1 + np.cos(np.pi * (t - 3) / 57)))


LION_WRONG = {"b1": 1.5, "b2": -0.1, "smooth_beta": 0.0, "mode": "soft"}
ROOT_WRONG = {"decay": 1.5, "eps": -1e-8, "initial_scale": -1.0}
ADAM_WRONG = {"b1": 1.0, "b2": -0.1, "eps": -1e-8, "eps_root": float("nan")}
WRONG_RATE = {"learning_rate": -0.1}

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
        optax_dtype=jnp.bfloat16,
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
        numpy=partial(formulas.ema, 0.9), wrong={"decay": -0.5},
        numerator=lambda g, state, t: unbiased(state.ema, 0.9, t),
    ),
    both(
        "ema-biased", ro.ema, optax.ema, hyperparams={"decay": 0.9, "debias": False},
        numpy=partial(formulas.ema, 0.9, debias=False),
        numerator=lambda g, state, t: state.ema,
    ),
    Case(
        "bias_correction", partial(ro.bias_correction, decay=0.9),
        numpy=partial(formulas.bias_correction, 0.9), wrong={"decay": 1.0},
        numerator=lambda g, state, t: unbiased(g, 0.9, t),
    ),
]  # fmt: skip

OPTAX_ROOT = {"decay": 0.9, "eps": 1e-3, "eps_in_sqrt": True}

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
        numerator=gradient,
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
        numerator=gradient,
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
        optax_dtype=jnp.bfloat16,
    ),
]  # fmt: skip

SIGNS = [
    both(
        "scale_by_lion", ro.scale_by_lion, optax.scale_by_lion, numpy=formulas.lion,
        wrong=LION_WRONG,
    ),
    both(
        "scale_by_lion-smooth", ro.scale_by_lion, optax.scale_by_lion, complex=False,
        hyperparams={"mode": "smooth", "smooth_beta": 3.0},
        numpy=partial(formulas.lion, mode="smooth", smooth_beta=3.0),
    ),
    both(
        "scale_by_lion-refined", ro.scale_by_lion, optax.scale_by_lion, complex=False,
        hyperparams={"b1": 0.8, "b2": 0.95, "mode": "refined"},
        numpy=partial(formulas.lion, 0.8, 0.95, mode="refined"),
    ),
]  # fmt: skip

CLIPS = [
    both(
        "clip", ro.clip, optax.clip, hyperparams={"max_delta": 0.5}, complex=False,
        numpy=partial(formulas.clip, 0.5), wrong={"max_delta": -1.0},
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
        needs_params=True,
    ),
    Case(
        "proximal-l1", partial(ro.proximal, ro.sgd(cooling), ro.l1(L1)),
        numpy=partial(formulas.ista, cooling, L1), needs_params=True,
    ),
    Case(
        "proximal-l2", partial(ro.proximal, ro.sgd(0.01), ro.l2(L2)),
        numpy=partial(formulas.ista, 0.01, l2=L2), needs_params=True,
    ),
    Case(
        "proximal-elastic_net-schedule",
        partial(ro.proximal, ro.sgd(0.01), ro.elastic_net(warming, L2)),
        numpy=partial(formulas.ista, 0.01, warming, L2), needs_params=True,
    ),
    Case(
        "proximal-adam", partial(ro.proximal, ro.adam(0.01), ro.elastic_net(L1, L2)),
        numpy=partial(formulas.proximal_adam, 0.01, l1=L1, l2=L2), needs_params=True,
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


def optax_sgd_parts():
    return optax.trace(0.9), optax.scale_by_learning_rate(0.05)


def adam_and_rate(**adam):
    return lambda: formulas.chain(formulas.adam(**adam), formulas.learning_rate(0.01))


def adam_decay_rate(decay, **adam):
    return lambda: formulas.chain(formulas.adam(**adam), decay, formulas.learning_rate(0.01))


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


def multi_steps(make, every_k, **rest):
    return lambda: optax.MultiSteps(make(), every_k, **rest).gradient_transformation()


WRAPPERS = [
    Case(
        "accumulate", partial(ro.accumulate, ro.adam(0.01), every_k=4),
        multi_steps(lambda: optax.adam(0.01), 4),
        wrong={"every_k": 0}, complex=False, optax_dtype=jnp.float32,
    ),
    Case(
        "accumulate-float64",
        partial(ro.accumulate, ro.sgd(cooling, 0.9), every_k=3, accumulator_dtype=None),
        numpy=lambda: formulas.accumulate(
            formulas.chain(formulas.trace(0.9), formulas.learning_rate(cooling)), 3
        ),
    ),
    Case(
        "accumulate-sum-schedule",
        partial(ro.accumulate, ro.sgd(cooling), every_k=two_then_four, use_grad_mean=False),
        multi_steps(lambda: optax.sgd(cooling), two_then_four, use_grad_mean=False),
        complex=False, optax_dtype=jnp.float32,
    ),
    Case(
        "accumulate-skip",
        partial(
            ro.accumulate, ro.adamw(0.01), every_k=3, should_skip_update_fn=skip_not_finite
        ),
        multi_steps(lambda: optax.adamw(0.01), 3, should_skip_update_fn=skip_not_finite),
        complex=False, needs_params=True, bad_steps=(0, 7, 8, 31, 59), optax_dtype=jnp.float32,
    ),
    Case(
        "skip_not_finite", partial(ro.skip_not_finite, ro.adam(0.01)),
        lambda: optax.apply_if_finite(optax.adam(0.01), 1000),
        numpy=lambda: formulas.skip_not_finite(adam_and_rate()()),
        bad_steps=(0, 7, 8, 31, 59),
    ),
]  # fmt: skip

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
        optax_dtype=jnp.bfloat16,
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
        numpy=lambda: formulas.chain(
            formulas.rms(0.9, 1e-3, bias_correction=True), formulas.learning_rate(cooling),
            formulas.trace(0.8, nesterov=True),
        ),
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
        wrong={**WRONG_RATE, "b1": 1.5, "b2": -0.1, "weight_decay": -0.1},
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
        needs_params=True, leaves_alike=False, across=True, optax_dtype=jnp.float32,
        wrong={
            "total_steps": 0, "peak": -1e-3, "weight_decay": -0.1, "max_norm": -1.0,
            "warmup": 1.0,
        },
    ),
]  # fmt: skip

CASES = [
    *SCALES, *MOMENTUM, *SECOND_MOMENTS, *ADAM, *SIGNS, *CLIPS, *REGULARIZERS, *PROXIMAL,
    *COMBINATIONS, *WRAPPERS, *OPTIMIZERS,
]  # fmt: skip
