"""A measured effect: a number with its spread over seeds."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Effect(NamedTuple):
    """The mean of one number per seed, and their standard deviation."""

    mean: float
    deviation: float
    seeds: int

    def __str__(self) -> str:
        return f"{self.mean:.3g} ± {self.deviation:.2g} ({self.seeds} seeds)"


def effect(values: jax.Array | np.ndarray) -> Effect:
    """The effect that was measured as ``values``, one per seed.

    >>> print(effect(np.array([2.9, 3.0, 3.1])))
    3 ± 0.1 (3 seeds)
    """
    numbers = np.asarray(values, np.float64)
    return Effect(float(numbers.mean()), float(numbers.std(ddof=1)), numbers.size)


def summary(rows: Mapping[str, Mapping[str, jax.Array | np.ndarray]]) -> str:
    """A table of effects: a name to each row, and in it a title to each column's values.

    >>> print(summary({"sgd": {"steps": np.array([4.0, 6.0])}}))
         steps
    sgd  5 ± 1.4 (2 seeds)
    """
    titles = list(dict.fromkeys(title for row in rows.values() for title in row))
    cells = [["", *titles]]
    for name, row in rows.items():
        cells.append([name, *(str(effect(row[t])) if t in row else "" for t in titles)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
    return "\n".join(lines)


def ratio_of_percentiles(x: jax.Array, axis: int = -1) -> jax.Array:
    """The 90th percentile over the 10th: how unevenly positive numbers are spread."""
    high, low = jnp.percentile(x, jnp.array([90.0, 10.0]), axis=axis)
    return high / low


def slope(x: jax.Array, y: jax.Array) -> jax.Array:
    """The exponent p of y ∝ xᵖ, by least squares on logarithms along the last axis.

    >>> round(float(slope(jnp.array([1.0, 2.0, 4.0]), jnp.array([3.0, 12.0, 48.0]))), 4)
    2.0
    """
    u, v = jnp.log(x), jnp.log(y)
    u = u - jnp.mean(u, axis=-1, keepdims=True)
    return jnp.sum(jnp.broadcast_to(u, v.shape) * v, axis=-1) / jnp.sum(u**2, axis=-1)
