"""How the learning rate's course decides where a training ends."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

import regopt_jax as ro
from regopt_jax._core import Schedule
from regopt_jax.demo.experiments.fit import (
    KERNELS,
    Fit,
    Make,
    Task,
    best,
    fit,
    from_table,
    part,
    table,
)

MakeScheduled = Callable[[Schedule], optax.GradientTransformation]


def shapes(peak: float, steps: int) -> dict[str, Schedule]:
    """The lecture's schedules and three more, over the same steps and with the same peak."""
    return {
        "constant": ro.constant_schedule(peak),
        "step": ro.step_decay(peak, every_steps=-(-steps // 3)),
        "cosine": ro.cosine_decay_schedule(peak, steps),
        "restarts": ro.cosine_restarts(peak, -(-steps // 7), t_mul=2),
        "warmup-cosine": ro.warmup_cosine_decay_schedule(
            0.0, peak, decay_steps=steps, warmup_fraction=0.05
        ),
        "one-cycle": ro.cosine_onecycle_schedule(steps, peak),
        "wsd": ro.warmup_stable_decay_schedule(0.0, peak, total_steps=steps, warmup_fraction=0.05),
    }


def momentum(rate: Schedule) -> ro.GradientTransformation:
    """SGD with the usual momentum of 0.9."""
    return ro.sgd(rate, momentum=0.9)


def _by_table(make: MakeScheduled) -> Make:
    return lambda values: make(from_table(values))


class Comparison(NamedTuple):
    """Networks trained under each schedule, first axes ``(peaks, seeds)``."""

    peaks: jax.Array
    fits: dict[str, Fit]


def compare(
    task: Task,
    *,
    peaks: tuple[float, ...] = (0.003, 0.006, 0.012, 0.025, 0.05),
    seeds: int = 10,
    steps: int = 600,
    make: MakeScheduled = momentum,
    batch_size: int = 8,
) -> Comparison:
    """Every schedule at every peak, in one program: a schedule is a table of numbers.

    Small batches and wrong labels (``digits(flipped=0.2)``) keep the gradients noisy to the end.
    """
    rows = [shapes(peak, steps) for peak in peaks]
    names = list(rows[0])
    tables = jnp.stack([table(row[name], steps) for name in names for row in rows])
    done = fit(_by_table(make), tables, task, seeds=seeds, steps=steps, batch_size=batch_size)
    count = len(peaks)
    return Comparison(
        jnp.asarray(peaks),
        {name: part(done, slice(i * count, (i + 1) * count)) for i, name in enumerate(names)},
    )


class Warmup(NamedTuple):
    """Trainings with and without warmup, first axes ``(peaks, seeds)``.

    Attributes:
      peaks: the learning rates after the warmup.
      fits: by the batch size and the share of the steps that warm up.
    """

    peaks: jax.Array
    fits: dict[tuple[int, float], Fit]


def warmup(
    task: Task,
    *,
    peaks: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2),
    batch_sizes: tuple[int, ...] = (32, 512),
    shares: tuple[float, ...] = (0.0, 0.05, 0.2),
    seeds: int = 10,
    steps: int = 200,
) -> Warmup:
    """Momentum with a cosine after a warmup, for as many steps with either batch size."""

    def schedule(peak: float, share: float) -> Schedule:
        warm = round(share * steps)
        cosine = ro.cosine_decay_schedule(peak, steps - warm)
        return ro.join_schedules([ro.linear_warmup(peak, warm), cosine], [warm])

    tables = jnp.stack([table(schedule(p, share), steps) for share in shares for p in peaks])
    fits = {}
    for size in batch_sizes:
        done = fit(_by_table(momentum), tables, task, seeds=seeds, steps=steps, batch_size=size)
        for i, share in enumerate(shares):
            fits[size, share] = part(done, slice(i * len(peaks), (i + 1) * len(peaks)))
    return Warmup(jnp.asarray(peaks), fits)


OPTIMIZERS: dict[str, tuple[MakeScheduled, float]] = {
    "sgd": (ro.sgd, 0.2),
    "momentum": (momentum, 0.05),
    "rmsprop": (ro.rmsprop, 1e-2),
    "adam": (ro.adam, 1e-2),
    "adamw": (lambda rate: ro.adamw(rate, weight_decay=0.05, mask=KERNELS), 1e-2),
}


class Defaults(NamedTuple):
    """Every optimiser with a constant rate and with a cosine.

    Attributes:
      factors: of each optimiser's usual learning rate.
      fits: by optimiser and schedule, first axes ``(factors, seeds)``.
    """

    factors: jax.Array
    fits: dict[tuple[str, str], Fit]

    def tuned(self) -> dict[tuple[str, str], jax.Array]:
        """Test accuracies ``(seeds,)`` at the rate that is best on the validation images."""
        return {name: done.test[best(done.validation)] for name, done in self.fits.items()}


def defaults(
    task: Task,
    *,
    factors: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
    seeds: int = 10,
    steps: int = 500,
) -> Defaults:
    """Tune the learning rate of every optimiser over the same factors, without and with cosine."""
    fits = {}
    for name, (make, usual) in OPTIMIZERS.items():
        rows = [shapes(usual * factor, steps) for factor in factors]
        kinds = ("constant", "warmup-cosine")
        tables = jnp.stack([table(row[kind], steps) for kind in kinds for row in rows])
        done = fit(_by_table(make), tables, task, seeds=seeds, steps=steps)
        for i, kind in enumerate(kinds):
            fits[name, kind] = part(done, slice(i * len(factors), (i + 1) * len(factors)))
    return Defaults(jnp.asarray(factors), fits)
