"""The leaves of a model that are trained, and those that are only carried along."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from regopt_jax._core import arithmetic, trees
from regopt_jax._core.trees import PyTree


def trainable(params: PyTree) -> PyTree:
    """``params`` with ``None`` for every leaf that has no gradient.

    >>> import jax.numpy as jnp
    >>> trainable({"w": jnp.zeros(1), "steps": jnp.array(3), "activation": jnp.tanh})
    {'activation': None, 'steps': None, 'w': Array([0.], dtype=float32)}
    """
    return split(params)[0]


def arrays(params: PyTree) -> PyTree:
    """``params`` with ``None`` for every leaf that no program can take, such as a function."""
    leaves, treedef = trees.flatten(params)
    return treedef.unflatten([x if is_array(x) else None for x in leaves])


def with_gradients(
    updates: PyTree, params: PyTree | None, keep: Callable[[Any], bool] = arithmetic.is_inexact
) -> PyTree | None:
    """``params`` with ``None`` where ``updates`` has it, but for the leaves to ``keep``.

    An integer that does have a gradient, as Optax's face allows, stays.
    """
    given, structure = trees.flatten(updates)
    # Asked first, as every part of a chain comes by, and most trees have all their gradients.
    if params is None or all(u is not None for u in given):
        return params
    leaves, treedef = trees.flatten(params)
    if structure != treedef:  # which is for what runs to say
        return params
    pairs = zip(leaves, given, strict=True)
    return treedef.unflatten([None if u is None and not keep(p) else p for p, u in pairs])


def is_array(x: Any) -> bool:
    """Whether x is an array or a number, which a program can take."""
    return arithmetic.is_inexact(x) or isinstance(x, (*_ARRAYS, jax.ShapeDtypeStruct))


def split(params: PyTree) -> tuple[PyTree, "Untrained"]:
    """The :func:`trainable` leaves of a model, and the others."""
    leaves, treedef = trees.flatten(params)
    rest = {i: x for i, x in enumerate(leaves) if x is not None and not arithmetic.is_inexact(x)}
    if not rest:
        return params, Untrained({}, {})
    arrays = {i: x for i, x in rest.items() if isinstance(x, _ARRAYS)}
    static = {i: x for i, x in rest.items() if i not in arrays}
    trained = [None if i in rest else x for i, x in enumerate(leaves)]
    return treedef.unflatten(trained), Untrained(arrays, static)


@jax.tree_util.register_pytree_node_class
class Untrained:
    """The leaves of a model that have no gradient: arrays are traced, the others static."""

    def __init__(self, arrays: dict[int, Any], static: dict[int, Any]):
        self.arrays, self.static = arrays, static

    def join(self, params: PyTree) -> PyTree:
        """The whole model, of its :func:`trainable` leaves and these."""
        if not self.arrays and not self.static:
            return params
        leaves, treedef = trees.flatten(params)
        rest = self.arrays | self.static
        return treedef.unflatten([rest.get(i, leaf) for i, leaf in enumerate(leaves)])

    def tree_flatten(self) -> tuple[Any, Any]:
        """For ``jax.tree``."""
        return tuple(self.arrays.values()), (tuple(self.arrays), tuple(self.static.items()))

    @classmethod
    def tree_unflatten(cls, data: Any, arrays: Any) -> "Untrained":
        """For ``jax.tree``."""
        positions, static = data
        return cls(dict(zip(positions, arrays, strict=True)), dict(static))


_ARRAYS = (jax.Array, np.ndarray, np.generic, bool, int)
