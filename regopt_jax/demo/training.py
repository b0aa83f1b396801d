"""The training loop: every epoch evaluated, every checkpoint enough to go on from."""

import dataclasses
import math
import time
from typing import Any

import jax
import numpy as np
from rich.console import Console

import regopt_jax as ro
from regopt_jax._core.trees import leaf_paths
from regopt_jax.demo import data, model, recipe
from regopt_jax.demo.checkpoints import Checkpoints
from regopt_jax.demo.errors import DemoError, one_line
from regopt_jax.demo.progress import Display, say

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Result:
    """A finished run: its epochs, its final numbers and its weights by path."""

    label: str
    settings: recipe.Settings
    total_steps: int
    history: list[Row]
    final: Row
    weights: dict[str, np.ndarray]


@dataclasses.dataclass
class _Progress:
    """Where a run is beside its ``TrainState``; JSON values only."""

    history: list[Row] = dataclasses.field(default_factory=list)
    losses: list[float] = dataclasses.field(default_factory=list)
    accuracies: list[float] = dataclasses.field(default_factory=list)
    seconds: float = 0.0


def train(
    settings: recipe.Settings,
    dataset: data.Dataset,
    console: Console,
    label: str | None = None,
    checkpoints: Checkpoints | None = None,
    every: int = 100,
) -> Result:
    """Train to the end, from the latest checkpoint if there is one.

    Raises:
      DemoError: settings that do not go together, a loss that is not finite, a
        checkpoint that is corrupt or another run's.
    """
    label = label or settings.label
    steps_per_epoch = len(dataset.train) // settings.batch_size
    if steps_per_epoch == 0:
        raise DemoError(
            f"--batch-size {settings.batch_size}: larger than the {len(dataset.train)} "
            "training images."
        )
    total = settings.epochs * steps_per_epoch
    tx = recipe.transformation(settings, total)
    train_step = ro.train_step(recipe.objective(settings, model.loss_fn), tx, has_aux=True)
    evaluate = model.evaluator()
    params = model.init_params(settings.seed, dataset.train.images)
    try:
        state = ro.TrainState.create(params, tx)
        jax.eval_shape(tx.update, params, state.opt_state, params)
    except ValueError as error:
        # What only the shapes tell: a regulariser without a proximal map in this metric.
        raise DemoError(one_line(error)) from error
    progress = _Progress()
    if checkpoints and checkpoints.latest is not None:
        state, saved = checkpoints.restore(state)
        progress = _Progress(**saved)
        _say_resumed(console, checkpoints, int(state.step), total)

    step = int(state.step)
    started = time.perf_counter() - progress.seconds
    pending: list[Any] = []

    def collect() -> None:
        """Read the metrics that are still on the device."""
        progress.losses += [float(aux["loss"]) for aux in pending]
        progress.accuracies += [float(aux["accuracy"]) for aux in pending]
        pending.clear()
        progress.seconds = time.perf_counter() - started
        if not all(map(math.isfinite, progress.losses)):
            raise DemoError(
                f"{label}: the loss is no longer finite in epoch {len(progress.history) + 1}; "
                "use a smaller --learning-rate."
            )

    def save() -> None:
        if checkpoints:
            checkpoints.save(state, dataclasses.asdict(progress))

    with Display(console, label, settings.epochs, total, step) as display:
        while step < total:
            epoch, done = divmod(step, steps_per_epoch)
            for batch in data.batches(
                len(dataset.train), settings.batch_size, settings.seed, epoch, done
            ):
                state, metrics = train_step(
                    state, dataset.train.images[batch], dataset.train.labels[batch]
                )
                step += 1
                pending.append(metrics["aux"])
                display.step(step, metrics)
                if checkpoints and step % every == 0 and step % steps_per_epoch:
                    collect()
                    save()
            collect()
            test_loss, test_accuracy = evaluate(state.params, dataset.test)
            progress.history.append(
                {
                    "epoch": epoch + 1,
                    "train_loss": float(np.mean(progress.losses)),
                    "train_accuracy": float(np.mean(progress.accuracies)),
                    "test_loss": test_loss,
                    "test_accuracy": test_accuracy,
                    "learning_rate": float(metrics["learning_rate"]),
                }
            )
            progress.losses, progress.accuracies = [], []
            progress.seconds = time.perf_counter() - started
            save()
            display.epoch(step, progress.history[-1])

    arrays = map(np.asarray, jax.tree.leaves(state.params))
    weights = dict(zip(leaf_paths(state.params), arrays, strict=True))
    _, train_accuracy = evaluate(state.params, dataset.train)
    final = {
        "train_accuracy": train_accuracy,
        "test_accuracy": progress.history[-1]["test_accuracy"],
        **_statistics(weights),
        "seconds": progress.seconds,
    }
    return Result(label, settings, total, progress.history, final, weights)


def _say_resumed(console: Console, checkpoints: Checkpoints, step: int, total: int) -> None:
    if step == total:
        said = f"{checkpoints.folder} holds this run, finished after {total} steps."
    else:
        said = f"Continuing from step {step} of {total} in {checkpoints.folder}."
    say(console, said)


def _statistics(weights: dict[str, np.ndarray]) -> Row:
    """Zeros among kernel weights, output channels without any other, norms of the kernels."""
    kernels = {path: w for path, w in weights.items() if path.endswith("kernel")}
    zeros = sum(int(np.sum(w == 0)) for w in kernels.values())
    channels = [np.all(w.reshape(-1, w.shape[-1]) == 0, axis=0) for w in kernels.values()]
    norms = {path: float(np.linalg.norm(w)) for path, w in kernels.items()}
    return {
        "zero_share": zeros / sum(w.size for w in kernels.values()),
        "channels": sum(c.size for c in channels),
        "channels_removed": sum(int(c.sum()) for c in channels),
        "weight_norm": math.hypot(*norms.values()),
        "weight_norms": norms,
    }
