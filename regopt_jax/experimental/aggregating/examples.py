"""The axes of single examples in a batch."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from regopt_jax._core import numbers, trees
from regopt_jax._core.tolerance import strict
from regopt_jax._core.trees import PyTree


def example_axes(who: str, axis: int | Sequence[int]) -> Any:
    """The axes of the examples, checked where we are strict."""
    return numbers.axes(who, "per_elt_axis", axis) if strict() else axis


def check_examples(who: str, tree: PyTree, axes: Any) -> None:
    """Require each gradient to have the axes of the examples, by path."""
    if not strict():
        return
    for path, g in zip(trees.leaf_paths(tree), trees.flatten(tree)[0], strict=True):
        if g is not None and not all(-jnp.ndim(g) <= axis < jnp.ndim(g) for axis in axes):
            raise ValueError(
                f"{who}: the gradient at '{path}' has shape {jnp.shape(g)}, without the examples' "
                f"axes {axes}. Pass the gradient of each example, as "
                "jax.vmap(jax.grad(loss), (None, 0)) returns."
            )


def get_batch_size_from_per_elt_updates(
    per_elt_updates: PyTree, per_elt_axis: int | Sequence[int]
) -> int:
    """How many examples these are the gradients of.

    Args:
      per_elt_updates: arrays that have the examples' axes.
      per_elt_axis: these axes.

    Raises:
      ValueError: the arrays are of different numbers of examples, or one lacks an axis.

    >>> import jax.numpy as jnp
    >>> get_batch_size_from_per_elt_updates({"w": jnp.ones((8, 3)), "b": jnp.ones(8)}, 0)
    8
    """
    who = "get_batch_size_from_per_elt_updates"
    axes = (per_elt_axis,) if isinstance(per_elt_axis, int) else tuple(per_elt_axis)
    check_examples(who, per_elt_updates, axes)
    sizes = [math.prod(g.shape[i] for i in axes) for g in jax.tree.leaves(per_elt_updates)]
    if len(set(sizes)) > 1:
        raise ValueError(f"Per-element updates must have the same batch size. Got: {sizes}")
    return sizes[0]
