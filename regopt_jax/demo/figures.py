"""Figures of training curves. Each optimiser has one colour, everywhere."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter

from regopt_jax.demo import recipe
from regopt_jax.demo.training import Result
from regopt_jax.inspect.colors import color_of

STYLE = {"none": "-", "other": "--"}


def curves(result: Result, path: Path) -> None:
    """Loss, accuracy and learning rate of one run."""
    figure = Figure(figsize=(11, 3.6), dpi=150, layout="constrained")
    loss, accuracy, rate = figure.subplots(1, 3)
    epochs = [row["epoch"] for row in result.history]
    colour = color_of(result.settings.optimizer)
    marker = "o" if len(epochs) == 1 else ""
    for axes, name in ((loss, "loss"), (accuracy, "accuracy")):
        for part, style in (("train", ":"), ("test", "-")):
            values = [row[f"{part}_{name}"] for row in result.history]
            axes.plot(epochs, values, style, color=colour, marker=marker, label=part)
    steps = np.arange(result.total_steps)
    rates = recipe.schedule(result.settings, result.total_steps)(steps)
    rate.plot(steps, np.broadcast_to(np.asarray(rates), steps.shape), color=colour)
    _finish(loss, "Cross-entropy (nats)")
    _finish(accuracy, "Accuracy")
    _finish(rate, "Learning rate", "Step")
    _logarithmic(loss)
    accuracy.yaxis.set_major_formatter(PercentFormatter(1.0))
    rate.set_ylim(bottom=0)
    rate.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
    figure.legend(*loss.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    figure.suptitle(f"{result.label} on {result.settings.data}")
    figure.savefig(path)


def comparison(results: Sequence[Result], path: Path) -> None:
    """Training loss and test accuracy of several runs, one legend beside them."""
    figure = Figure(figsize=(11, 4), dpi=150, layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    for result in results:
        epochs = [row["epoch"] for row in result.history]
        style = STYLE["none" if result.settings.regularizer == "none" else "other"]
        marker = "o" if len(epochs) == 1 else ""
        for axes, name in ((loss, "train_loss"), (accuracy, "test_accuracy")):
            axes.plot(
                epochs,
                [row[name] for row in result.history],
                style,
                color=color_of(result.settings.optimizer),
                marker=marker,
                label=result.label,
            )
    _finish(loss, "Training loss: cross-entropy (nats)")
    _finish(accuracy, "Test accuracy")
    _logarithmic(loss)
    final = [row["test_accuracy"] for result in results for row in result.history]
    accuracy.set_ylim(max(min(final), 2 * min(r.final["test_accuracy"] for r in results) - 1.02), 1)
    accuracy.yaxis.set_major_formatter(PercentFormatter(1.0))
    figure.legend(*loss.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    figure.suptitle(f"The same network on {results[0].settings.data}")
    figure.savefig(path)


def _logarithmic(axes: Axes) -> None:
    """A logarithmic axis of plain numbers, also between powers of ten if there are few."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:.1g}" if high < 10 * low else NullFormatter())


def _finish(axes: Axes, label: str, horizontal: str = "Epoch") -> None:
    axes.set_xlabel(horizontal)
    axes.set_title(label, fontsize="medium")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, steps=[1, 2, 5, 10]))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
