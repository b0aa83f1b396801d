"""Rows of what scales, clips or repairs whole arrays."""

from functools import partial

import jax
import jax.numpy as jnp
import optax

import regopt_jax as ro
from tests.cases.case import Allowance, Case
from tests.cases.common import AFTER_THE_STEP, NOISE, both, gradient
from tests.cases.layerwise_optimizers import LAYERWISE_OPTIMIZERS, POLYAK_WRONG
from tests.oracles import formulas, layerwise as oracles

TRUST_WRONG = {"min_norm": -1.0, "trust_coefficient": -1.0, "eps": -1.0}
FACTORED_WRONG = {"decay_rate": -0.5, "min_dim_size_to_factor": 0, "epsilon": -1.0}


def in_shape(make):
    """Optax's, whose update of a scalar has the shape (1,)."""

    def build():
        tx = make()

        def update(updates, state, params=None):
            wide, state = tx.update(updates, state, params)
            return jax.tree.map(lambda u, g: u.reshape(g.shape), wide, updates), state

        return optax.GradientTransformation(tx.init, update)

    return build


def halving(step, rate):
    """A decay in the dtype of the parameters, unlike Optax's default."""
    return rate * (1 - 0.5 / (1 + step.astype(float)))


def sign_and_shrink(updates, params):
    return jax.tree.map(lambda u: 0.1 * jnp.sign(u), updates)


def cube(u, p):
    return u * u * u


SCALES = [
    both(
        "scale_by_trust_ratio", ro.scale_by_trust_ratio, optax.scale_by_trust_ratio,
        hyperparams={"trust_coefficient": 0.01},
        numpy=partial(oracles.trust_ratio, coefficient=0.01), needs_params=True,
        wrong=TRUST_WRONG,
    ),
    both(
        "scale_by_trust_ratio-eps", ro.scale_by_trust_ratio, optax.scale_by_trust_ratio,
        hyperparams={"min_norm": 1.0, "trust_coefficient": 0.01, "eps": 0.1},
        numpy=partial(oracles.trust_ratio, 1.0, 0.01, 0.1), needs_params=True,
    ),
    both(
        "scale_by_param_block_norm", ro.scale_by_param_block_norm,
        optax.scale_by_param_block_norm, hyperparams={"min_scale": 1.0},
        numpy=lambda: formulas.each(lambda g, w, t, m: g * max(oracles.norm(w), 1.0)),
        needs_params=True, wrong={"min_scale": -1.0}, gradient_scale=0.01,
    ),
    both(
        "scale_by_param_block_rms", ro.scale_by_param_block_rms, optax.scale_by_param_block_rms,
        numpy=oracles.param_block_rms, needs_params=True, wrong={"min_scale": -1.0},
        gradient_scale=0.01,
    ),
    both(
        "normalize_by_update_norm", ro.normalize_by_update_norm, optax.normalize_by_update_norm,
        hyperparams={"scale_factor": -0.1, "eps": 1e-3}, across=True,
        numpy=partial(oracles.normalize, -0.1, 1e-3),
        wrong={"scale_factor": float("inf"), "eps": -1.0},
    ),
    both(
        "scale_by_optimistic_gradient", ro.scale_by_optimistic_gradient,
        optax.scale_by_optimistic_gradient, numpy=oracles.optimistic,
        wrong={"alpha": -1.0, "beta": float("inf")},
    ),
    both(
        "scale_by_optimistic_gradient-rates", ro.scale_by_optimistic_gradient,
        optax.scale_by_optimistic_gradient, hyperparams={"alpha": 0.3, "beta": 0.7},
        numpy=partial(oracles.optimistic, 0.3, 0.7),
    ),
    Case(
        "scale_by_distance_over_gradients",
        partial(ro.scale_by_distance_over_gradients, reps_rel=1e-3, eps=1e-6),
        in_shape(partial(optax.scale_by_distance_over_gradients, reps_rel=1e-3, eps=1e-6)),
        allow=Allowance(keeps_params=True), needs_params=True, complex=False, numerator=gradient,
        across=True,
        wrong={"reps_rel": 0.0, "eps": -1.0, "global_scale": float("inf")},
    ),
    Case(
        "scale_by_distance_over_gradients-descent",
        partial(
            ro.scale_by_distance_over_gradients, reps_rel=1e-2, global_scale=-1.0,
            param_dtype=jnp.float64,
        ),
        numpy=partial(oracles.distance_over_gradients, 1e-2, scale=-1.0),
        allow=Allowance(keeps_params=True), needs_params=True,
    ),
    both(
        "scale_by_polyak", ro.scale_by_polyak, optax.scale_by_polyak,
        extra_args={"value": 2.0}, across=True, numpy=partial(oracles.polyak, 2.0),
        wrong=POLYAK_WRONG,
    ),
    both(
        "scale_by_polyak-bounded", ro.scale_by_polyak, optax.scale_by_polyak,
        hyperparams={"f_min": 0.5, "max_learning_rate": 1e-2, "eps": 1.0},
        extra_args={"value": 2.0}, across=True,
        numpy=partial(oracles.polyak, 2.0, 0.5, 1e-2, 1.0),
    ),
    both(
        "scale_by_polyak-positive", ro.scale_by_polyak, optax.scale_by_polyak,
        hyperparams={"f_min": 3.0, "variant": "sps+"}, extra_args={"value": 2.0}, across=True,
        numpy=partial(oracles.polyak, 2.0, 3.0, positive=True),
    ),
]  # fmt: skip

FACTORED = [
    both(
        "scale_by_factored_rms", ro.scale_by_factored_rms, optax.scale_by_factored_rms,
        hyperparams={"min_dim_size_to_factor": 2}, allow=Allowance(optax_dtype=jnp.float32),
        numpy=partial(oracles.factored_rms, shortest=2), wrong=FACTORED_WRONG,
        needs_params=True, leaves_alike=False,
    ),
    both(
        "scale_by_factored_rms-some", ro.scale_by_factored_rms, optax.scale_by_factored_rms,
        hyperparams={"min_dim_size_to_factor": 4, "decay_rate": 0.5, "epsilon": 1e-3},
        allow=Allowance(optax_dtype=jnp.float32), numpy=partial(oracles.factored_rms, 0.5, 4, 1e-3),
        needs_params=True, leaves_alike=False,
    ),
    both(
        "scale_by_factored_rms-unfactored", ro.scale_by_factored_rms,
        optax.scale_by_factored_rms, hyperparams={"factored": False},
        allow=Allowance(optax_dtype=jnp.float32), numpy=oracles.factored_rms, numerator=gradient,
        needs_params=True,
    ),
    both(
        "scale_by_factored_rms-decay_rate_fn", ro.scale_by_factored_rms,
        optax.scale_by_factored_rms,
        hyperparams={
            "min_dim_size_to_factor": 3, "decay_rate": 0.9, "decay_rate_fn": halving,
            "epsilon": 1e-3,
        },
        needs_params=True, leaves_alike=False, numerator=gradient,
    ),
]  # fmt: skip

CLIPS = [
    both(
        "clip_by_block_rms", ro.clip_by_block_rms, optax.clip_by_block_rms,
        hyperparams={"threshold": 0.5}, numpy=partial(oracles.block_rms_clip, 0.5),
        wrong={"threshold": 0.0},
    ),
    both(
        "adaptive_grad_clip", ro.adaptive_grad_clip, optax.adaptive_grad_clip,
        hyperparams={"clipping": 0.3}, numpy=partial(oracles.adaptive_grad_clip, 0.3),
        needs_params=True, wrong={"clipping": -1.0, "eps": -1.0},
    ),
    both(
        "adaptive_grad_clip-eps", ro.adaptive_grad_clip, optax.adaptive_grad_clip,
        hyperparams={"clipping": 0.3, "eps": 2.0},
        numpy=partial(oracles.adaptive_grad_clip, 0.3, 2.0), needs_params=True,
    ),
]  # fmt: skip

STATELESS = [
    both(
        "centralize", ro.centralize, optax.centralize, numpy=oracles.centralize,
        unsteady="takes the mean away",
    ),
    both(
        "zero_nans", ro.zero_nans, optax.zero_nans, numpy=oracles.zero_nans,
        bad_steps=(0, 7, 8, 31, 59),
    ),
    both(
        "keep_params_nonnegative", ro.keep_params_nonnegative, optax.keep_params_nonnegative,
        numpy=oracles.nonnegative, needs_params=True, complex=False, unsteady=AFTER_THE_STEP,
    ),
    both(
        "stateless", ro.stateless, optax.stateless, hyperparams={"f": sign_and_shrink},
        numpy=lambda: formulas.each(lambda g, w, t, m: 0.1 * formulas.sign(g)),
    ),
    both(
        "stateless_with_tree_map", ro.stateless_with_tree_map, optax.stateless_with_tree_map,
        hyperparams={"f": cube}, numpy=lambda: formulas.each(lambda g, w, t, m: g**3),
    ),
    both(
        "add_noise", ro.add_noise, optax.add_noise,
        hyperparams={"eta": 0.1, "gamma": 0.55, "key": 3}, random=True, unsteady=NOISE,
        wrong={"eta": -1.0, "gamma": float("inf")},
    ),
]  # fmt: skip

LAYERWISE = [*SCALES, *FACTORED, *CLIPS, *STATELESS, *LAYERWISE_OPTIMIZERS]
