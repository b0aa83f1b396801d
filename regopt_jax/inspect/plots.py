"""Pictures of regularisation; each draws on a matplotlib axes and returns it.

matplotlib is imported when a plot is drawn, not with the package.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from regopt_jax._core import ArrayLike, PyTree
from regopt_jax.inspect.colors import PALETTE, colors_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def new_axes(ax: Any) -> "Axes":
    """``ax``, or new axes of the size that all plots share."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(6, 4), layout="constrained")[1]


def plot_path(
    strengths: ArrayLike, coefficients: ArrayLike, *, names: list[str] | None = None, ax: Any = None
) -> "Axes":
    """Coefficients against the strength of a regulariser.

    Args:
      strengths: shape (n,), positive.
      coefficients: shape (n, k), such as :func:`path` returns.
      names: k labels for a legend.
      ax: the matplotlib axes to draw on; new ones when ``None``.

    >>> import jax.numpy as jnp
    >>> ax = plot_path(jnp.array([1.0, 0.1]), jnp.array([[0.0, 0.0], [1.0, -0.5]]))
    >>> ax.get_xlabel()
    'strength λ'
    """
    ax = new_axes(ax)
    curves = np.asarray(coefficients)
    for i in range(curves.shape[1]):
        ax.plot(
            np.asarray(strengths),
            curves[:, i],
            color=PALETTE[i % len(PALETTE)],
            linestyle=("-", "--", ":")[i // len(PALETTE) % 3],
            label=names[i] if names else None,
        )
    ax.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    ax.set(xscale="log", xlabel="strength λ", ylabel="coefficient")
    if names:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return ax


def plot_weights(params: dict[str, PyTree], *, bins: int = 60, ax: Any = None) -> "Axes":
    """Histograms of all weights of one or more models, with their shares of exact zeros.

    Args:
      params: a name to the parameter tree it labels.
      bins: the number of bins, over the range of all weights.
      ax: the matplotlib axes to draw on; new ones when ``None``.

    >>> import jax.numpy as jnp
    >>> ax = plot_weights({"l1": jnp.array([0.0, 0.0, 0.5, -1.0])})
    >>> ax.get_legend().get_texts()[0].get_text()
    'l1 (50.0% zeros)'
    """
    ax = new_axes(ax)
    flat = {
        name: np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])
        for name, tree in params.items()
    }
    reach = max(float(np.abs(w).max()) for w in flat.values())
    for (name, weights), color in zip(flat.items(), colors_of(flat), strict=True):
        zeros = np.mean(weights == 0)
        ax.hist(
            weights,
            bins=np.linspace(-reach, reach, bins + 1),
            histtype="step",
            linewidth=1.5,
            color=color,
            label=f"{name} ({zeros:.1%} zeros)",
        )
    ax.set(yscale="log", xlabel="weight", ylabel="count")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return ax


def plot_constraint(
    loss_fn: Callable[[jax.Array], Any], minimum: ArrayLike, *, ax: Any = None
) -> "Axes":
    """The L1 diamond and the L2 circle touching the contours of a loss of two weights.

    Both are drawn through the point where the loss is least on a set of half the
    minimum's norm: L1 touches at a corner, where a weight is exactly zero, far more often.

    Args:
      loss_fn: from an array of shape (2,) to a scalar; convex.
      minimum: shape (2,), where the loss is least.
      ax: the matplotlib axes to draw on; new ones when ``None``.

    >>> import jax.numpy as jnp
    >>> target = jnp.array([0.4, 1.6])
    >>> ax = plot_constraint(lambda w: jnp.sum((w - target) ** 2), target)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['L1 ball, at (0.00, 1.00)', 'L2 ball, at (0.20, 0.80)', 'minimum of the loss']
    """
    ax = new_axes(ax)
    best = np.asarray(minimum, float)
    angles = np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    diamond = circle / np.abs(circle).sum(axis=1, keepdims=True)
    values = jax.vmap(loss_fn)

    reach = 1.2 * np.abs(best).max() + 0.2
    grid = np.linspace(-reach, reach, 201)
    xs, ys = np.meshgrid(grid, grid)
    heights = np.asarray(values(jnp.stack([jnp.ravel(xs), jnp.ravel(ys)], axis=1)))
    touching = []
    for name, ball, size, color in (
        ("L1", diamond, np.abs(best).sum() / 2, PALETTE[0]),
        ("L2", circle, np.sqrt((best**2).sum()) / 2, PALETTE[1]),
    ):
        edge = ball * size
        losses = np.asarray(values(jnp.asarray(edge)))
        x, y = edge[losses.argmin()]
        touching.append(losses.min())
        label = f"{name} ball, at ({x + 0.0:.2f}, {y + 0.0:.2f})"
        ax.fill(*edge.T, facecolor=color, alpha=0.15)
        ax.plot(*np.vstack([edge, edge[:1]]).T, color=color, label=label)
        ax.plot(x, y, "o", color=color)
    levels = np.unique([*touching, *np.quantile(heights, (0.03, 0.2, 0.45, 0.75))])
    ax.contour(grid, grid, heights.reshape(xs.shape), levels=levels, colors="0.5", linewidths=0.8)
    ax.plot(*best, "k*", markersize=10, linestyle="none", label="minimum of the loss")
    ax.set(aspect="equal", xlabel="weight 1", ylabel="weight 2")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return ax
