"""Rows of what decides whether and on what a transformation runs."""

from functools import partial

import jax
import jax.numpy as jnp
import optax

import regopt_jax as ro
from regopt_jax._core.modes import UPDATE
from tests.cases.case import Allowance, Case, as_made
from tests.cases.common import (
    adam_and_rate,
    both,
    cooling,
    gradient,
    multi_steps,
    to_kernels,
    two_then_four,
)
from tests.oracles import formulas, wrappers as oracles

BAD = (0, 7, 8, 31, 59)


def odd(step, **extra):
    return step % 2 == 1


def every_fourth(step, **extra):
    return step % 4 == 0


def below_three(step, value):
    return (value < 3.0) & (step % 3 != 1)


def inject_hyperparams(make, **hyperparams):
    return ro.inject_hyperparams(make)(**hyperparams)


def optax_injects(make, **hyperparams):
    return lambda: optax.inject_hyperparams(make)(**hyperparams)


def slow_beside(tx):
    """Lookahead as a transformation of the fast parameters, with the slow ones in its state."""

    def init(params):
        return tx.init(optax.LookaheadParams.init_synced(params)), params

    def update(updates, state, params=None):
        inner, slow = state
        both = None if params is None else optax.LookaheadParams(params, slow)
        steps, inner = tx.update(updates, inner, both)
        return steps.fast, (inner, ro.apply_updates(slow, steps.slow))

    def run(mode, grads, state, params, extra):
        if mode == UPDATE:
            return update(grads, state, params)
        inner, slow = state
        params, inner = tx.step(grads, inner, optax.LookaheadParams(params, slow), **extra)
        return params.fast, (inner, params.slow)

    if not isinstance(tx, ro.GradientTransformation):
        return optax.GradientTransformation(init, update)
    rule = ro.Rule(elementwise=tx.elementwise)
    return ro.GradientTransformation(init, update, nature=rule, made=tx.made, run=run)


# The fast parameters move by a difference of parameters when they meet the slow ones.


def optax_lookahead(make, *args):
    return lambda: slow_beside(optax.lookahead(make(), *args))


def largest(updates):
    leaves = [jnp.max(jnp.abs(x), initial=0) for x in jax.tree.leaves(updates)]
    return jnp.max(
        jnp.stack([jnp.zeros([], jnp.float32), *(x.astype(jnp.float32) for x in leaves)])
    )


def doubled(x):
    return 2 * x


def halved(kept, dtype):
    return (kept / 2).astype(dtype)


def monitored(tx):
    return as_made(tx, *ro.monitor({"measured": tx}))


WRAPPERS = [
    Case(
        "accumulate", partial(ro.accumulate, ro.adam(0.01), every_k=4),
        multi_steps(lambda: optax.adam(0.01), 4),
        wrong={"every_k": 0}, complex=False, allow=Allowance(optax_dtype=jnp.float32),
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
        complex=False, allow=Allowance(optax_dtype=jnp.float32),
    ),
    Case(
        "accumulate-skip",
        partial(
            ro.accumulate, ro.adamw(0.01), every_k=3, should_skip_update_fn=ro.skip_not_finite
        ),
        multi_steps(lambda: optax.adamw(0.01), 3, should_skip_update_fn=optax.skip_not_finite),
        complex=False, needs_params=True, bad_steps=BAD,
        allow=Allowance(optax_dtype=jnp.float32, copies=1),  # of the flags that it counts
    ),
    Case(
        "accumulate-skip-large",
        partial(
            ro.accumulate, ro.sgd(0.01), every_k=2,
            should_skip_update_fn=partial(ro.skip_large_updates, max_squared_norm=900.0),
        ),
        multi_steps(
            lambda: optax.sgd(0.01), 2,
            should_skip_update_fn=partial(optax.skip_large_updates, max_squared_norm=900.0),
        ),
        complex=False, bad_steps=BAD, allow=Allowance(optax_dtype=jnp.float32), across=True,
    ),
    Case(
        "apply_if_finite", partial(ro.apply_if_finite, ro.adam(0.01)),
        lambda: optax.apply_if_finite(optax.adam(0.01), 1000),
        numpy=lambda: oracles.apply_if_finite(adam_and_rate()()), bad_steps=BAD,
        wrong={"max_consecutive_errors": -1},
    ),
    Case(
        "apply_if_finite-limit",
        partial(ro.apply_if_finite, ro.sgd(0.01), max_consecutive_errors=1),
        numpy=lambda: oracles.apply_if_finite(formulas.learning_rate(0.01), 1),
        bad_steps=(0, 7, 8, 9, 59),
    ),
    both(
        "apply_every", ro.apply_every, optax.apply_every,
        hyperparams={"k": 3}, wrong={"k": 0},
        numpy=lambda: formulas.accumulate(formulas.scale(1.0), 3, mean=False),
    ),
    Case(
        "conditionally_transform",
        partial(ro.conditionally_transform, ro.trace(0.9), odd),
        lambda: optax.conditionally_transform(optax.trace(0.9), odd),
        allow=Allowance(stores_gradients=True),
    ),
    Case(
        "conditionally_mask", partial(ro.conditionally_mask, ro.adamw(0.01), every_fourth),
        lambda: optax.conditionally_mask(optax.adamw(0.01), every_fourth), needs_params=True,
    ),
    Case(
        "conditionally_mask-extra",
        partial(ro.conditionally_mask, ro.adam(0.01), below_three, forward_extra_args=True),
        lambda: optax.conditionally_mask(optax.adam(0.01), below_three, forward_extra_args=True),
        extra_args={"value": 2.0},
    ),
    Case(
        "stored", partial(ro.stored, ro.adam(0.01), doubled, halved), numpy=adam_and_rate(),
    ),
    Case(
        "master_weights", partial(ro.master_weights, ro.adam(0.01)), needs_params=True,
        numpy=adam_and_rate(), wrong={"keep": "bf16+4"}, wide_updates=True,
    ),
    Case(
        "kahan", partial(ro.kahan, ro.adam(0.01)), needs_params=True, numpy=adam_and_rate(),
        wide_updates=True,
    ),
    Case(
        "stochastic_rounding", partial(ro.stochastic_rounding, ro.adam(0.01), key=1),
        needs_params=True, numpy=adam_and_rate(), random=True, across=True, wide_updates=True,
    ),
    Case(
        "quantized", partial(ro.quantized, ro.trace(0.9), "bf16", min_size=0),
        numpy=lambda: formulas.trace_in_bfloat16(0.9), wrong={"min_size": -1},
        leaves_alike=False,  # scalars are not kept so
        unsteady="what it divides by is rounded",
    ),
    Case(
        "flatten", partial(ro.flatten, ro.adam(0.01)),
        lambda: optax.flatten(optax.adam(0.01)), complex=False, allow=Allowance(copies=1),
    ),
    Case(
        "flatten-clip", partial(ro.flatten, ro.chain(ro.clip_by_global_norm(1.0), ro.sgd(0.1))),
        lambda: optax.flatten(optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1))),
        complex=False, across=True, allow=Allowance(copies=1),
    ),
    both("set_to_zero", ro.set_to_zero, optax.set_to_zero),
    Case(
        "freeze", partial(ro.freeze, to_kernels), lambda: optax.masked(
            optax.set_to_zero(), to_kernels
        ),
        leaves_alike=False,
    ),
    Case(
        "selective_transform",
        partial(ro.selective_transform, ro.adam(0.01), freeze_mask=ro.select(min_ndim=2)),
        numpy=lambda: formulas.where(lambda w: w.ndim < 2, adam_and_rate()(), formulas.scale(0.0)),
        leaves_alike=False,
    ),
    Case(
        "selective_transform-nothing",
        partial(ro.selective_transform, ro.adam(0.01), freeze_mask=False),
        lambda: optax.selective_transform(optax.adam(0.01), freeze_mask=False),
    ),
    Case(
        "inject_hyperparams",
        partial(inject_hyperparams, ro.adam, learning_rate=0.01, b1=0.8),
        optax_injects(optax.adam, learning_rate=0.01, b1=0.8), complex=False,
        wrong={"learning_rate": -0.1, "b1": 1.5},
    ),
    Case(
        "inject_hyperparams-schedule",
        partial(inject_hyperparams, ro.adamw, learning_rate=cooling, weight_decay=0.1),
        optax_injects(optax.adamw, learning_rate=cooling, weight_decay=0.1), complex=False,
        needs_params=True,
    ),
    Case(
        "inject_hyperparams-optax",
        partial(inject_hyperparams, optax.sgd, learning_rate=0.01),
        optax_injects(optax.sgd, learning_rate=0.01), complex=False, theirs_inside=True,
    ),
    Case(
        "lookahead", partial(ro.lookahead, ro.adam(0.01), sync_period=4, slow_step_size=0.5),
        optax_lookahead(lambda: optax.adam(0.01), 4, 0.5), around=slow_beside, needs_params=True,
        allow=Allowance(keeps_params=True),
        wrong={"sync_period": 0, "slow_step_size": 1.5},
    ),
    Case(
        "lookahead-reset",
        partial(
            ro.lookahead, ro.sgd(0.01, 0.9), sync_period=5, slow_step_size=0.8, reset_state=True
        ),
        optax_lookahead(lambda: optax.sgd(0.01, 0.9), 5, 0.8, True), around=slow_beside,
        needs_params=True,
        allow=Allowance(ulps=16, keeps_params=True),
    ),
    Case(
        "snapshot", partial(ro.snapshot, "norm", largest),
        lambda: optax.snapshot("norm", largest), numerator=gradient, across=True,
    ),
    Case(
        "monitor", partial(ro.monitor, {"norm": ro.global_norm}),
        numpy=lambda: formulas.scale(1.0), numerator=gradient, across=True,
    ),
    Case(
        "measure_with_ema", partial(ro.measure_with_ema, largest, decay=0.9), around=monitored,
        numpy=lambda: formulas.scale(1.0), wrong={"decay": 1.5}, across=True,
    ),
    Case(
        "params_ema", partial(ro.params_ema, decay=0.9), numpy=lambda: formulas.scale(1.0),
        wrong={"decay": 1.0}, needs_params=True, numerator=gradient,
    ),
    Case(
        "params_ema-not-debiased", partial(ro.params_ema, decay=0.9, debias=False),
        numpy=lambda: formulas.scale(1.0), needs_params=True,
    ),
    both(
        "reduce_on_plateau", ro.reduce_on_plateau, optax.contrib.reduce_on_plateau,
        extra_args={"value": 2.0}, hyperparams={"factor": 0.5, "patience": 5, "min_scale": 2.0**-7},
        wrong={
            "factor": 1.0, "patience": -1, "rtol": -0.1, "atol": -1.0, "cooldown": -1,
            "accumulation_size": 0, "min_scale": -1.0, "eps": -1.0,
        },
        numerator=gradient,
    ),
    both(
        "reduce_on_plateau-cooldown", ro.reduce_on_plateau, optax.contrib.reduce_on_plateau,
        extra_args={"value": 2.0},
        hyperparams={"factor": 0.5, "patience": 3, "cooldown": 4, "accumulation_size": 2},
    ),
]  # fmt: skip
