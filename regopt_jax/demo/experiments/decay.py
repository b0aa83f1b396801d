"""L2 in Adam's gradient against decay beside its step."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

import regopt_jax as ro
from regopt_jax.demo.experiments.effects import ratio_of_percentiles
from regopt_jax.demo.experiments.fit import KERNELS, Fit, Task, fit, kernels, record, replay
from regopt_jax.regularizers.regularize import Placement

HOW: dict[str, Placement] = {"adam + L2": "coupled", "adamw": "decoupled"}


class Unevenness(NamedTuple):
    """By how much a step shrinks each weight, as a share of λαw, ``(seeds, weights)``.

    Attributes:
      gradient: the root-mean-square of each weight's gradients over the run.
      decay: for each placement; 1 everywhere is a decay of exactly λ.
      uneven: the 90th percentile over the 10th, ``(seeds,)``.
      correlation: rank correlation of decay and gradient, ``(seeds,)``; NaN if decay is even.
    """

    gradient: jax.Array
    decay: dict[str, jax.Array]
    uneven: dict[str, jax.Array]
    correlation: dict[str, jax.Array]


def unevenness(
    task: Task, *, seeds: int = 4, steps: int = 300, strength: float = 1e-3, rate: float = 3e-3
) -> Unevenness:
    """Feed one Adam run's gradients to Adam with L2 and to AdamW, and compare their last steps.

    What a step has beyond plain Adam's, over -λαw, is the decay that the weight gets.
    """
    adam = ro.adam(rate)
    recorded = record(adam, task, seeds=seeds, steps=steps)
    plain = kernels(replay(adam, recorded))[:, -1]
    w = kernels(recorded.params)[:, -1]
    gradient = jnp.sqrt(jnp.mean(kernels(recorded.grads) ** 2, axis=1))
    # Where w is small the quotient is rounding, and an unused weight has no scale.
    shown = (jnp.abs(w) > 0.02) & (gradient > 1e-5)

    def relative(how: Placement) -> jax.Array:
        tx = ro.regularize(adam, ro.l2(strength), how)
        more = kernels(replay(tx, recorded))[:, -1] - plain
        return jnp.where(shown, -more / (rate * strength * w), jnp.nan)

    decay = {name: relative(how) for name, how in HOW.items()}
    return Unevenness(
        jnp.where(shown, gradient, jnp.nan),
        decay,
        {
            name: _over_seeds(lambda d, _: ratio_of_percentiles(d), x, w)
            for name, x in decay.items()
        },
        {name: _over_seeds(_rank_correlation, x, gradient) for name, x in decay.items()},
    )


def _over_seeds(function: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    found = [jnp.isfinite(one) for one in x]
    return jnp.stack([function(a[i], b[i]) for a, b, i in zip(x, y, found, strict=True)])


def _rank_correlation(x: jax.Array, y: jax.Array) -> jax.Array:
    def ranks(values: jax.Array) -> jax.Array:
        return jnp.argsort(jnp.argsort(values)).astype(jnp.float32)

    if float(ratio_of_percentiles(x)) < 1.01:
        return jnp.array(jnp.nan)
    return jnp.corrcoef(ranks(x), ranks(y))[0, 1]


class Grid(NamedTuple):
    """Networks trained at every learning rate and decay, first axes ``(rates, decays, seeds)``."""

    rates: jax.Array
    decays: jax.Array
    fits: dict[str, Fit]


def grid(
    task: Task,
    *,
    rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
    decays: tuple[float, ...] = (0.0, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0),
    seeds: int = 8,
    steps: int = 400,
) -> Grid:
    """Adam + L2 and AdamW, each with a cosine, over learning rates and decays."""
    pairs = jnp.stack(jnp.meshgrid(jnp.asarray(rates), jnp.asarray(decays), indexing="ij"), axis=-1)

    def train(how: Placement) -> Fit:
        def make(pair: jax.Array) -> ro.GradientTransformation:
            schedule = ro.cosine_decay_schedule(pair[0], steps)
            return ro.regularize(ro.adam(schedule), ro.l2(pair[1]).on(KERNELS), how)

        flat = fit(make, jnp.reshape(pairs, (-1, 2)), task, seeds=seeds, steps=steps)
        return jax.tree.map(lambda x: jnp.reshape(x, (*pairs.shape[:2], *x.shape[1:])), flat)

    return Grid(
        jnp.asarray(rates), jnp.asarray(decays), {name: train(how) for name, how in HOW.items()}
    )
