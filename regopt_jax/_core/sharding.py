"""How arrays are sharded over devices, where a mesh has explicit axes.

There the sharding is part of an array's type, and an operation that mixes elements, such as a
product of sharded matrices, is an error unless it names the sharding of its result.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from regopt_jax._core.trees import PyTree


def replicated(mesh: Any) -> NamedSharding:
    """The sharding of an array that is whole on every device of a mesh."""
    return NamedSharding(mesh, PartitionSpec())  # type: ignore[no-untyped-call]


def _explicit(mesh: Any) -> bool:
    """Whether arrays on the mesh carry their sharding in their type."""
    found = AxisType.Explicit in mesh.axis_types
    if found and not hasattr(jax.sharding, "reshard"):  # nor ``auto_axes``
        raise NotImplementedError(
            f"arrays on a mesh with explicit axes need jax >= 0.7.0; this is jax {jax.__version__}."
            " On automatic axes (AxisType.Auto) any version serves."
        )
    return found


def sharded_like(tree: PyTree, function: Callable[..., PyTree]) -> Callable[..., PyTree]:
    """``function``, whose result has the structure and gets the sharding of ``tree``.

    Inside it the compiler decides, as on automatic axes.
    """
    own = [jax.typeof(x).sharding for x in jax.tree.leaves(tree)]
    meshes = [sharding.mesh for sharding in own if _explicit(sharding.mesh)]
    if not meshes:
        return function
    kept = [replicated(meshes[0]) if sharding.mesh.empty else sharding for sharding in own]
    out = jax.tree.unflatten(jax.tree.structure(tree), kept)
    return jax.sharding.auto_axes(function, out_sharding=out)


def lying(
    like: Any, function: Callable[..., PyTree], *outs: Callable[[NamedSharding], NamedSharding]
) -> Callable[..., PyTree]:
    """``function``, each of whose results lies as one of ``outs`` says, of how an array does.

    Inside it the compiler decides, as on automatic axes.
    """
    own = jax.typeof(like).sharding
    if not _explicit(own.mesh):
        return function
    return jax.sharding.auto_axes(function, out_sharding=tuple(out(own) for out in outs))


def whole_rows(sharding: NamedSharding) -> NamedSharding:
    """How an array lies whose last axis is not in parts, but the others are."""
    return NamedSharding(sharding.mesh, PartitionSpec(*sharding.spec[:-1], None))  # type: ignore[no-untyped-call]


def gathered(x: Any) -> Any:
    """An array that lies in parts on the devices of explicit axes, whole on each of them."""
    mesh = jax.typeof(x).sharding.mesh
    if not _explicit(mesh):
        return x
    return jax.sharding.reshard(x, replicated(mesh))  # type: ignore[no-untyped-call]


def scattered(x: Any, like: Any) -> Any:
    """An array of :func:`gathered` ones, sharded like another of its shape."""
    own = jax.typeof(like).sharding
    if not _explicit(own.mesh):
        return x
    return jax.sharding.reshard(x, own)  # type: ignore[no-untyped-call]
