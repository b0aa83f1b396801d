"""Where the arrays of a state lie, and that they stay there.

The output of a compiled step lies where XLA finds it cheapest. A state that moved would be
compiled for again, and a state sharded to save memory might be gathered.
"""

import dataclasses
from typing import Any

import jax
from jax.sharding import NamedSharding, Sharding

from regopt_jax._core import PyTree
from regopt_jax._core.sharding import replicated


@dataclasses.dataclass(frozen=True)
class Shardings:
    """The shardings of a tree of arrays, None for one that goes where it is needed: hashable."""

    treedef: Any
    leaves: tuple[Sharding | None, ...]

    @classmethod
    def of(cls, tree: PyTree) -> "Shardings":
        """Where the leaves of a tree are."""
        leaves, treedef = jax.tree.flatten(tree)
        return cls(treedef, tuple(x.sharding if _is_placed(x) else None for x in leaves))

    @property
    def tree(self) -> PyTree:
        """The shardings, in the structure of the tree."""
        return self.treedef.unflatten(self.leaves)


def spread(x: Any) -> bool:
    """Whether an array lies on several devices."""
    return isinstance(x, jax.Array) and x.sharding.num_devices > 1


def beside(params: PyTree, tree: PyTree) -> PyTree:
    """``tree`` with what has no place of its own, such as a count, on every device of ``params``.

    The first step would move it there, and the second be compiled for where it then lies.
    """
    placed = [x.sharding for x in jax.tree.leaves(params) if _is_placed(x)]
    if not placed:
        return tree
    own = placed[0]
    whole = replicated(own.mesh) if isinstance(own, NamedSharding) else own

    def put(x: Any) -> Any:
        return jax.device_put(x, whole) if is_concrete(x) and not _is_placed(x) else x

    return jax.tree.map(put, tree)


def is_concrete(x: Any) -> bool:
    """Whether x is an array of numbers, not one that is traced."""
    return isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer)


def _is_placed(x: Any) -> bool:
    return is_concrete(x) and x.committed
