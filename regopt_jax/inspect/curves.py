"""Pictures of measurements with several seeds: curves with bands, grids, spreads.

matplotlib is imported when a plot is drawn, not with the package.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from regopt_jax._core import ArrayLike
from regopt_jax.inspect.colors import colors_of
from regopt_jax.inspect.plots import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLES = ("-", "--", ":", "-.")  # of the first, second, ... curve of one colour


def plot_curves(
    curves: Mapping[str, ArrayLike],
    x: ArrayLike | None = None,
    *,
    xlabel: str = "step",
    ylabel: str = "loss",
    smooth: int = 1,
    ax: Any = None,
) -> "Axes":
    """The mean over seeds of each curve, in a band from the lowest seed to the highest.

    Args:
      curves: a name to its values, shape (seeds, n) or (n,); an optimiser's or a
        schedule's name has its own colour.
      x: shape (n,); 0 to n - 1 when ``None``.
      xlabel, ylabel: with their units.
      smooth: the length of a running mean over x.
      ax: the matplotlib axes to draw on; new ones when ``None``.

    >>> import numpy as np
    >>> ax = plot_curves({"sgd": np.array([[3.0, 1.0], [1.0, 1.0]])})
    >>> ax.lines[0].get_ydata().tolist()
    [2.0, 1.0]
    """
    ax = new_axes(ax)
    drawn: list[str] = []
    for (name, values), color in zip(curves.items(), colors_of(curves), strict=True):
        y = np.atleast_2d(np.asarray(values))
        if smooth > 1:
            kernel = np.ones(smooth) / smooth
            y = np.stack([np.convolve(one, kernel, mode="valid") for one in y])
        places = np.arange(y.shape[1]) + smooth - 1 if x is None else np.asarray(x)[smooth - 1 :]
        marker = "o" if y.shape[1] <= 12 else ""
        style = _STYLES[drawn.count(color) % len(_STYLES)]
        drawn.append(color)
        ax.plot(places, y.mean(axis=0), style, marker=marker, markersize=4, color=color, label=name)
        if len(y) > 1:
            low, high = y.min(axis=0), y.max(axis=0)
            ax.fill_between(places, low, high, color=color, alpha=0.15, linewidth=0)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return ax


def plot_grid(
    values: ArrayLike,
    rows: Sequence[Any] | ArrayLike,
    columns: Sequence[Any] | ArrayLike,
    *,
    ylabel: str = "learning rate",
    xlabel: str = "weight decay",
    limits: tuple[float, float] | None = None,
    format_spec: str = ".0%",
    ax: Any = None,
) -> "Axes":
    """A table of numbers as a map, each written in its cell and the largest framed.

    Args:
      values: shape (rows, columns).
      rows, columns: their hyperparameters.
      xlabel, ylabel: their names.
      limits: the values of the darkest and the brightest cell; those of the data when ``None``.
      format_spec: how to write a number.
      ax: the matplotlib axes to draw on; new ones when ``None``.

    >>> ax = plot_grid([[0.5, 0.75]], [0.1], [0.0, 1.0])
    >>> [text.get_text() for text in ax.texts]
    ['50%', '75%']
    """
    ax = new_axes(ax)
    table = np.asarray(values)
    low, high = limits if limits is not None else (np.nanmin(table), np.nanmax(table))
    ax.imshow(table, cmap="cividis", vmin=low, vmax=high, aspect="auto")
    for (i, j), value in np.ndenumerate(table):
        color = "white" if value < (low + high) / 2 else "black"
        ax.text(j, i, format(value, format_spec), ha="center", va="center", color=color, fontsize=8)
    i, j = np.unravel_index(np.nanargmax(table), table.shape)
    frame = {"fill": False, "edgecolor": "#D55E00", "linewidth": 2.5}
    ax.add_patch(_rectangle((float(j) - 0.5, float(i) - 0.5), **frame))
    ax.set_xticks(range(table.shape[1]), [_written(x) for x in np.asarray(columns).tolist()])
    ax.set_yticks(range(table.shape[0]), [_written(x) for x in np.asarray(rows).tolist()])
    ax.set(xlabel=xlabel, ylabel=ylabel)
    return ax


def plot_spread(
    values: Mapping[str, ArrayLike], *, xlabel: str = "test accuracy", ax: Any = None
) -> "Axes":
    """One dot for each seed and a bar at the mean, a row for each name.

    Args:
      values: a name to its values, shape (seeds,).
      xlabel: what they are, with their unit.
      ax: the matplotlib axes to draw on; new ones when ``None``.

    >>> ax = plot_spread({"sgd": [0.9, 0.92], "adam": [0.95, 0.96]})
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['sgd', 'adam']
    """
    ax = new_axes(ax)
    for i, (one, color) in enumerate(zip(values.values(), colors_of(values), strict=True)):
        seeds = np.ravel(np.asarray(one))
        ax.plot(seeds, np.full(seeds.shape, i), "o", color=color, alpha=0.5, markersize=5)
        ax.plot([seeds.mean()] * 2, [i - 0.3, i + 0.3], color=color, linewidth=2.5)
    ax.set_yticks(range(len(values)), list(values))
    ax.invert_yaxis()
    ax.set(xlabel=xlabel)
    ax.grid(axis="x", alpha=0.25)
    return ax


def plot_scatter(
    points: Mapping[str, tuple[ArrayLike, ArrayLike]], *, xlabel: str, ylabel: str, ax: Any = None
) -> "Axes":
    """One dot for each pair of positive numbers, on logarithmic axes.

    Args:
      points: a name to the places of its dots, two arrays of one shape; NaN is left out.
      xlabel, ylabel: what they are, with their units.
      ax: the matplotlib axes to draw on; new ones when ``None``.

    >>> ax = plot_scatter({"adam": ([1.0, 2.0], [3.0, 4.0])}, xlabel="x", ylabel="y")
    >>> ax.get_xscale(), ax.get_legend().get_texts()[0].get_text()
    ('log', 'adam')
    """
    ax = new_axes(ax)
    for (name, (x, y)), color in zip(points.items(), colors_of(points), strict=True):
        ax.plot(np.ravel(x), np.ravel(y), ".", color=color, alpha=0.3, markersize=3, label=name)
    ax.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, markerscale=3)
    return ax


def plot_bars(
    values: Mapping[str, ArrayLike],
    *,
    xlabel: str,
    reference: float | None = None,
    format_spec: str = ".2f",
    ax: Any = None,
) -> "Axes":
    """One bar for each name, with its number at the end; of several samples their median.

    Args:
      values: a name to a number, or to an array whose quartiles are drawn as a line.
      xlabel: what they are, with their unit.
      reference: where to draw a line to compare with, such as 1 for ratios.
      format_spec: how to write a number.
      ax: the matplotlib axes to draw on; new ones when ``None``.

    >>> ax = plot_bars({"optax": 1.0, "regopt_jax": [0.4, 0.5, 0.7]}, xlabel="time / Optax's")
    >>> [text.get_text() for text in ax.texts]
    ['1.00', '0.50']
    """
    ax = new_axes(ax)
    highest = 0.0
    for i, one in enumerate(values.values()):
        low, middle, high = np.percentile(np.asarray(one, float), [25, 50, 75])
        ax.barh(i, middle, height=0.6, color="0.7")
        if high > low:
            ax.plot([low, high], [i, i], color="0.2", linewidth=1.5)
        text = format(middle, format_spec)
        ax.annotate(text, (high, i), (4, 0), textcoords="offset points", va="center")
        highest = max(highest, high)
    if reference is not None:
        ax.axvline(reference, color="0.5", linewidth=1, linestyle=":", zorder=0)
        highest = max(highest, reference)
    ax.set_yticks(range(len(values)), list(values))
    ax.invert_yaxis()
    ax.set(xlabel=xlabel, xlim=(0, 1.15 * highest))
    return ax


def _written(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def _rectangle(corner: tuple[float, float], **style: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, 1, 1, **style)
