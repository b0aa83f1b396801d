"""Pictures of how a step size and a point move: schedules, contours, trajectories.

matplotlib is imported when a plot is drawn, not with the package.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from regopt_jax._core import ArrayLike, Schedule
from regopt_jax.inspect.colors import colors_of
from regopt_jax.inspect.plots import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_schedule(
    schedules: Schedule | Mapping[str, Schedule],
    steps: int,
    *,
    ylabel: str = "learning rate",
    ax: Any = None,
) -> "Axes":
    """One or more schedules over the steps of a run.

    Args:
      schedules: a schedule, or a name to each.
      steps: how many steps, from 0.
      ylabel: what the schedules set.
      ax: the matplotlib axes to draw on; new ones when ``None``.

    >>> import regopt_jax as ro
    >>> ax = plot_schedule(ro.cosine_decay_schedule(0.1, 100), 120)
    >>> len(ax.lines), ax.get_xlabel()
    (1, 'step')
    """
    ax = new_axes(ax)
    named = schedules if isinstance(schedules, Mapping) else {"": schedules}
    at = np.unique(np.linspace(0, steps - 1, min(steps, 2000)).astype(int))
    for (name, schedule), color in zip(named.items(), colors_of(named), strict=True):
        values = np.broadcast_to(np.asarray(jax.vmap(schedule)(jnp.asarray(at))), at.shape)
        ax.plot(at, values, color=color, label=name or None)
    ax.set(xlabel="step", ylabel=ylabel)
    ax.set_ylim(bottom=0)
    if isinstance(schedules, Mapping):
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return ax


def plot_contours(
    loss_fn: Callable[[jax.Array], Any],
    xlim: tuple[float, float],
    ylim: tuple[float, float],
    *,
    levels: int | Sequence[float] = 12,
    ax: Any = None,
) -> "Axes":
    """Contours of a loss of two weights; a number of levels is spread evenly over its quantiles.

    Args:
      loss_fn: from an array of shape (2,) to a scalar.
      xlim, ylim: the ranges of the first and the second weight.
      levels: how many, or the values themselves.
      ax: the matplotlib axes to draw on; new ones when ``None``.

    >>> import jax.numpy as jnp
    >>> ax = plot_contours(lambda w: jnp.sum(w**2), (-1, 1), (-1, 1), levels=4)
    >>> ax.get_ylabel()
    'weight 2'
    """
    ax = new_axes(ax)
    xs, ys = np.meshgrid(np.linspace(*xlim, 161), np.linspace(*ylim, 161))
    points = jnp.stack([jnp.ravel(xs), jnp.ravel(ys)], axis=1)
    heights = np.asarray(jax.vmap(loss_fn)(points)).reshape(xs.shape)
    if isinstance(levels, int):
        levels = np.unique(np.quantile(heights, np.linspace(0.01, 0.95, levels))).tolist()
    ax.contour(xs, ys, heights, levels=levels, colors="0.6", linewidths=0.7, zorder=0)
    ax.set(xlabel="weight 1", ylabel="weight 2", xlim=xlim, ylim=ylim)
    return ax


def plot_trajectory(
    trajectories: ArrayLike | Mapping[str, ArrayLike],
    *,
    minimum: ArrayLike | None = None,
    ax: Any = None,
) -> "Axes":
    """The ways of one or more optimisers over two weights, each with its start marked.

    Args:
      trajectories: shape (steps, 2), or an optimiser's name to each; what leaves the
        axes of :func:`plot_contours` is cut off.
      minimum: shape (2,), marked by a star.
      ax: the matplotlib axes to draw on; new ones when ``None``.

    >>> import numpy as np
    >>> ax = plot_trajectory({"sgd": np.array([[1.0, 1.0], [0.5, 0.2]])}, minimum=[0.0, 0.0])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['sgd', 'minimum']
    """
    ax = new_axes(ax)
    named = trajectories if isinstance(trajectories, Mapping) else {"": trajectories}
    for (name, points), color in zip(named.items(), colors_of(named), strict=True):
        x, y = np.asarray(points).T
        ax.plot(x, y, "-o", color=color, markersize=2.5, linewidth=1.2, label=name or None)
        ax.plot(x[0], y[0], "o", color=color, markersize=6)
    if minimum is not None:
        ax.plot(*np.asarray(minimum), "k*", markersize=11, linestyle="none", label="minimum")
    ax.set(xlabel="weight 1", ylabel="weight 2")
    if ax.get_legend_handles_labels()[1]:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return ax
