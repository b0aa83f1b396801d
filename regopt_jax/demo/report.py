"""The results of runs: a table on the screen, ``metrics.json`` and ``weights.npz``."""

import dataclasses
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

import regopt_jax as ro
from regopt_jax.demo.training import Result


def print_result(console: Console, result: Result) -> None:
    """One run: a row for each number."""
    final = result.final
    table = Table(box=box.SIMPLE_HEAD, show_header=False, title=result.label, title_justify="left")
    table.add_column()
    table.add_column(justify="right")
    table.add_row("train accuracy", f"{final['train_accuracy']:.2%}")
    table.add_row("test accuracy", f"{final['test_accuracy']:.2%}")
    table.add_row("kernel weights exactly zero", f"{final['zero_share']:.2%}")
    removed = f"{final['channels_removed']} of {final['channels']}"
    table.add_row("output channels all zero", removed)
    table.add_row("norm of all kernels", f"{final['weight_norm']:.2f}")
    for path, norm in final["weight_norms"].items():
        table.add_row(f"  norm of {path}", f"{norm:.2f}")
    table.add_row("seconds", f"{final['seconds']:.1f}")
    console.print(table)


def print_comparison(console: Console, results: Sequence[Result]) -> None:
    """Several runs: a row for each."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("optimiser", no_wrap=True)
    for heading in ("rate", "train", "test", "zeros", "norm", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        final = result.final
        table.add_row(
            result.label,
            f"{result.settings.learning_rate:g}",
            f"{final['train_accuracy']:.2%}",
            f"{final['test_accuracy']:.2%}",
            f"{final['zero_share']:.2%}",
            f"{final['weight_norm']:.2f}",
            f"{final['seconds']:.1f}",
        )
    console.print(table)


def save_metrics(results: Result | Sequence[Result], path: Path) -> None:
    """``metrics.json``: the settings, every epoch and the final numbers; a list for several."""
    content: Any = (
        _metrics(results) if isinstance(results, Result) else [_metrics(r) for r in results]
    )
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def save_weights(result: Result, path: Path) -> None:
    """``weights.npz``: every array by its path, such as ``Conv_0/kernel``."""
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **result.weights)


def _metrics(result: Result) -> dict[str, Any]:
    return {
        "label": result.label,
        "settings": dataclasses.asdict(result.settings),
        "epochs": result.history,
        "final": result.final,
        "versions": {
            "jax": version("jax"),
            "flax": version("flax"),
            "regopt-jax": ro.__version__,  # a source tree on the path has no metadata
        },
    }
