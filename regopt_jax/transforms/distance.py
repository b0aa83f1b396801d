r"""Step sizes from the distance to where training started: what they share."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from regopt_jax._core import Array, PyTree, Step, matching
from regopt_jax._core.arithmetic import real_dtype
from regopt_jax._core.vectors import global_norm
from regopt_jax.transforms.norms import scaled


class Rate(NamedTuple):
    """The step size, and the two sums that it is made of."""

    rate: Array
    distance: Array
    gradients: Array


def scaled_by_rate(g: Array, start: Array, p: Array, now: Rate) -> tuple[Array, Array]:
    """The formula on one array, whose slot is where it started."""
    return scaled(g, now.rate), start


def scalar(value: Any, params: PyTree) -> Array:
    """A number of the whole tree, in its widest real dtype."""
    return jnp.asarray(value, real_dtype(params))


def squared(tree: PyTree) -> Array:
    """The squared norm of the whole tree."""
    return global_norm(tree) ** 2


def distance_moved(who: str, step: Step) -> Array:
    """How far the parameters are from where they started."""
    return global_norm(
        matching.map_leaves(who, jnp.subtract, step.params, start=step.state.init_params)
    )
