"""Second moments on a real network's gradients: their scales, and their start from zero."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import regopt_jax as ro
from regopt_jax._core import PyTree
from regopt_jax.demo.experiments.effects import ratio_of_percentiles
from regopt_jax.demo.experiments.fit import Fit, Make, Task, fit, kernels, record, replay


class Scales(NamedTuple):
    """Root-mean-squares over the last steps of each kernel weight, ``(seeds, weights)``.

    Attributes:
      updates: of each optimiser's updates of the same gradients, at a learning rate of 1.
      uneven: the 90th percentile over the 10th, one for each seed.
    """

    updates: dict[str, jax.Array]
    uneven: dict[str, jax.Array]


def scales(task: Task, *, seeds: int = 4, steps: int = 300) -> Scales:
    """How large the steps of each weight are when the optimisers see the same gradients."""
    recorded = record(ro.sgd(0.05), task, seeds=seeds, steps=steps)
    made = {
        "sgd": ro.sgd(1.0),
        "momentum": ro.sgd(1.0, momentum=0.9),
        "rmsprop": ro.rmsprop(1.0),
        "adam": ro.adam(1.0),
    }

    def rms(tx: optax.GradientTransformation) -> jax.Array:
        updates = kernels(replay(tx, recorded))[:, steps // 2 :]
        sizes = jnp.sqrt(jnp.mean(updates**2, axis=1))
        # A weight behind a unit that never fires has no gradient, so no scale.
        moving = jnp.sqrt(jnp.mean(kernels(recorded.grads)[:, steps // 2 :] ** 2, axis=1)) > 1e-7
        return jnp.where(moving, sizes, jnp.nan)

    sizes = {name: rms(tx) for name, tx in made.items()}
    return Scales(sizes, {name: _uneven(x) for name, x in sizes.items()})


def _uneven(sizes: jax.Array) -> jax.Array:
    return jnp.stack([ratio_of_percentiles(x[jnp.isfinite(x)]) for x in sizes])


def adam_without_correction(
    learning_rate: Any, *, mean: bool = False, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Adam that divides the raw moments; with ``mean``, the first one is corrected."""
    adam = ro.scale_by_adam(b1, b2, eps)

    def update(grads: PyTree, state: Any, params: PyTree | None = None) -> tuple[PyTree, Any]:
        state = adam.update(grads, state, params)[1]
        share = 1 - b1 ** state.count.astype(jnp.float32) if mean else 1.0
        steps = jax.tree.map(
            lambda m, r: -learning_rate * (m / share) / (jnp.sqrt(r) + eps), state.mu, state.nu
        )
        return steps, state

    return optax.GradientTransformation(adam.init, update)


class Correction(NamedTuple):
    """Adam with and without bias correction.

    Attributes:
      sizes: root-mean-square of the updates over α, ``(seeds, steps)``, on the same gradients.
      rates: the learning rates α of ``fits``.
      fits: networks trained at each rate, first axes ``(rates, seeds)``.
    """

    sizes: dict[str, jax.Array]
    rates: jax.Array
    fits: dict[str, Fit]


def bias_correction(
    task: Task,
    *,
    seeds: int = 4,
    steps: int = 300,
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
) -> Correction:
    """The sizes of Adam's steps without correction, and what becomes of the training."""
    made: dict[str, Make] = {
        "both corrected": ro.adam,
        "neither corrected": adam_without_correction,
        "only the mean corrected": lambda rate: adam_without_correction(rate, mean=True),
    }
    recorded = record(ro.adam(1e-3), task, seeds=seeds, steps=steps)

    def sizes(tx: optax.GradientTransformation) -> jax.Array:
        return jnp.sqrt(jnp.mean(kernels(replay(tx, recorded)) ** 2, axis=-1))

    values = jnp.asarray(rates)
    return Correction(
        {name: sizes(make(1.0)) for name, make in made.items()},
        values,
        {name: fit(make, values, task, seeds=seeds, steps=steps) for name, make in made.items()},
    )
