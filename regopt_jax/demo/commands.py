"""The two commands, from parsed flags to files."""

import argparse
import contextlib
import dataclasses
from pathlib import Path

from rich.console import Console

from regopt_jax.demo import cli, data, figures, recipe, report
from regopt_jax.demo.checkpoints import Checkpoints
from regopt_jax.demo.errors import DemoError
from regopt_jax.demo.progress import say
from regopt_jax.demo.settings import settings_of
from regopt_jax.demo.training import train


def run_train(args: argparse.Namespace, console: Console) -> None:
    """Train once and report."""
    settings = settings_of(args)
    dataset = data.load(args.data, args.data_dir, args.limit)
    name = f"{settings.data}-{settings.optimizer}"
    if settings.regularizer != "none":
        name += f"-{settings.regularizer}-{settings.placement}"
    out = _folder(args.out or Path("runs") / name)
    run = {**dataclasses.asdict(settings), "checksum_of_the_data": dataset.checksum}
    folder = args.checkpoint_dir
    with Checkpoints(folder, run) if folder else contextlib.nullcontext() as checkpoints:
        _print_data(console, settings, dataset)
        every = args.checkpoint_every or cli.EVERY
        result = train(settings, dataset, console, checkpoints=checkpoints, every=every)
    report.save_metrics(result, out / "metrics.json")
    report.save_weights(result, out / "weights.npz")
    figures.curves(result, out / "curves.png")
    report.print_result(console, result)
    _print_saved(console, out, "metrics.json", "curves.png", "weights.npz")


def run_compare(args: argparse.Namespace, console: Console) -> None:
    """Train each optimiser of the lecture from the same start, and report."""
    settings = settings_of(args)
    dataset = data.load(args.data, args.data_dir, args.limit)
    out = _folder(args.out or Path("runs") / f"compare-{settings.data}")
    _print_data(console, settings, dataset)
    results = []
    for label, changes in recipe.COMPARISON:
        rate = recipe.OPTIMIZERS[changes["optimizer"]].learning_rate
        own = dataclasses.replace(settings, learning_rate=rate, **changes)
        results.append(train(own, dataset, console, label=label))
    report.save_metrics(results, out / "metrics.json")
    figures.comparison(results, out / "comparison.png")
    report.print_comparison(console, results)
    _print_saved(console, out, "metrics.json", "comparison.png")


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"--out {path}: cannot be made: {error.strerror}.") from error
    return path


def _print_data(console: Console, settings: recipe.Settings, dataset: data.Dataset) -> None:
    say(
        console,
        f"{data.SOURCES[settings.data].title}: {len(dataset.train)} training and "
        f"{len(dataset.test)} test images, {settings.epochs} epochs of "
        f"{len(dataset.train) // settings.batch_size} steps.",
    )


def _print_saved(console: Console, out: Path, *names: str) -> None:
    say(console, f"Saved in {out}: {', '.join(names)}")
