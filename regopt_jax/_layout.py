"""The layout of arrays over devices, where a mesh has explicit axes.

There the layout is part of an array's type, and an operation that mixes elements, such as a
product of sharded matrices, is an error unless it names the layout of its result.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import NamedSharding, PartitionSpec

from regopt_jax._trees import PyTree


def replicated(mesh: Any) -> NamedSharding:
    """The layout of an array that is whole on every device of a mesh."""
    return NamedSharding(mesh, PartitionSpec())  # type: ignore[no-untyped-call]


def laid_out_like(tree: PyTree, function: Callable[..., PyTree]) -> Callable[..., PyTree]:
    """``function``, whose result has the structure and gets the layout of ``tree``.

    Inside it the compiler lays out, as on automatic axes.
    """
    own = [jax.typeof(x).sharding for x in jax.tree.leaves(tree)]
    meshes = [sharding.mesh for sharding in own if sharding.mesh.explicit_axes]
    if not meshes:
        return function
    kept = [replicated(meshes[0]) if sharding.mesh.empty else sharding for sharding in own]
    out = jax.tree.unflatten(jax.tree.structure(tree), kept)
    return jax.sharding.auto_axes(function, out_sharding=out)


def gathered(x: Any) -> Any:
    """An array that lies in parts on the devices of explicit axes, whole on each of them."""
    mesh = jax.typeof(x).sharding.mesh
    if not mesh.explicit_axes:
        return x
    return jax.sharding.reshard(x, replicated(mesh))  # type: ignore[no-untyped-call]


def scattered(x: Any, like: Any) -> Any:
    """An array of :func:`gathered` ones, laid out like another of its shape."""
    layout = jax.typeof(like).sharding
    if not layout.mesh.explicit_axes:
        return x
    return jax.sharding.reshard(x, layout)  # type: ignore[no-untyped-call]
