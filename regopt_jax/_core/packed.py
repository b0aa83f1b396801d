"""Packing: many small arrays in one flat buffer.

On a CPU every array costs some microseconds a step whatever its size. A packed tree is a
pytree of few leaves: one flat buffer for each dtype and label of the small arrays, and the
large arrays as they were. An elementwise transformation runs on it as on any pytree.
"""

import dataclasses
import math
import warnings
from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import matching, trees
from regopt_jax._core.trees import Array, PyTree


@dataclasses.dataclass(frozen=True)
class Member:
    """Where one leaf of the tree lies: in a buffer, or kept as it is (buffer None)."""

    path: str
    shape: tuple[int, ...]
    dtype: Any
    buffer: int | None
    label: Hashable


@dataclasses.dataclass(frozen=True)
class Layout:
    """How a tree is packed: static, hashable data."""

    treedef: Any
    members: tuple[Member, ...]
    names: tuple[str, ...]

    @property
    def slots(self) -> tuple[Member, ...]:
        """Deprecated name of ``members``."""
        warnings.warn("Layout.slots is now Layout.members.", DeprecationWarning, stacklevel=2)
        return self.members

    def inside(self, buffer: int) -> list[Member]:
        """The leaves in one buffer, in order."""
        return [member for member in self.members if member.buffer == buffer]


@jax.tree_util.register_pytree_with_keys_class
class Packed:
    """A parameter tree whose small arrays lie in flat buffers; made by :func:`pack`.

    A pytree: its leaves are the buffers and the arrays that stayed as they are.
    """

    def __init__(self, buffers: Any, kept: Any, layout: Layout):
        self.buffers, self.kept, self.layout = tuple(buffers), tuple(kept), layout

    def unpack(self) -> PyTree:
        """The tree again. Differentiable: the gradients of slices are concatenated once."""
        pieces = [iter(self._split(i)) for i in range(len(self.buffers))]
        kept = iter(self.kept)
        leaves = [
            next(kept) if member.buffer is None else next(pieces[member.buffer])
            for member in self.layout.members
        ]
        return self.layout.treedef.unflatten(leaves)

    def _split(self, buffer: int) -> list[Array | None]:
        inside = self.layout.inside(buffer)
        whole = self.buffers[buffer]
        if _is_absent(whole):
            return [whole] * len(inside)
        parts = jax.lax.split(whole, [math.prod(member.shape) for member in inside])
        return [part.reshape(member.shape) for part, member in zip(parts, inside, strict=True)]

    def like(self, tree: PyTree) -> "Packed":
        """Another tree of the same structure, such as a moment, in this layout.

        Raises:
          ValueError: its structure differs; names the paths.
        """
        leaves = matching.align("pack", "tree", tree, self.unpacked_shapes(), self.layout.treedef)
        return _fill(self.layout, leaves)

    def uniform(self, labels: PyTree) -> "Packed":
        """A tree of one value a leaf (a mask, labels), as one value a buffer.

        Raises:
          ValueError: a buffer holds leaves with different values; names two of them.
        """
        values = per_leaf(labels, self.layout.treedef)
        kept = [
            v
            for v, member in zip(values, self.layout.members, strict=True)
            if member.buffer is None
        ]
        buffers = []
        for i in range(len(self.layout.names)):
            inside = [
                (v, s) for v, s in zip(values, self.layout.members, strict=True) if s.buffer == i
            ]
            first, *_ = inside
            for value, member in inside:
                if value != first[0]:
                    raise ValueError(
                        f"packed: a mask or a partition treats '{first[1].path}' ({first[0]!r}) "
                        f"and '{member.path}' ({value!r}) differently, but both lie in the buffer "
                        f"'{self.layout.names[i]}'. Pack with labels= that tell them apart."
                    )
            buffers.append(first[0])
        children = zip((*buffers, *kept), (*self.buffers, *self.kept), strict=True)
        masked = [own if isinstance(own, optax.MaskedNode) else value for value, own in children]
        return Packed(masked[: len(buffers)], masked[len(buffers) :], self.layout)

    def unpacked_shapes(self) -> PyTree:
        """The tree, of ``jax.ShapeDtypeStruct`` for what is packed and the arrays that are not."""
        kept = iter(self.kept)

        def one(member: Member) -> Any:
            if member.buffer is None:
                return next(kept)
            whole = self.buffers[member.buffer]
            return whole if _is_absent(whole) else _struct(member)

        return self.layout.treedef.unflatten(map(one, self.layout.members))

    def tree_flatten_with_keys(self) -> tuple[Any, Layout]:
        """For ``jax.tree``: buffers under their names, kept arrays under their paths."""
        kept_paths = [member.path for member in self.layout.members if member.buffer is None]
        keys = map(jax.tree_util.DictKey, (*self.layout.names, *kept_paths))
        children = (*self.buffers, *self.kept)
        return tuple(zip(keys, children, strict=True)), self.layout

    @classmethod
    def tree_unflatten(cls, layout: Layout, children: Any) -> "Packed":
        """For ``jax.tree``."""
        count = len(layout.names)
        return cls(children[:count], children[count:], layout)

    def __repr__(self) -> str:
        packed = sum(member.buffer is not None for member in self.layout.members)
        return (
            f"Packed({packed} arrays in {len(self.buffers)} buffers "
            f"{list(self.layout.names)}, {len(self.kept)} kept)"
        )


def _is_absent(x: Any) -> bool:
    """Whether a leaf has no gradient, or a mask has hidden it."""
    return x is None or isinstance(x, optax.MaskedNode)


def _struct(member: Member) -> Any:
    return jax.eval_shape(lambda: jnp.zeros(member.shape, member.dtype))


def _fill(layout: Layout, leaves: list[Any]) -> Packed:
    buffers = []
    for i in range(len(layout.names)):
        inside = [x for x, member in zip(leaves, layout.members, strict=True) if member.buffer == i]
        absent = [x for x in inside if _is_absent(x)]
        buffers.append(absent[0] if absent else jnp.concatenate([jnp.ravel(x) for x in inside]))
    kept = [x for x, member in zip(leaves, layout.members, strict=True) if member.buffer is None]
    return Packed(buffers, kept, layout)


def per_leaf(values: PyTree, treedef: Any) -> list[Any]:
    """One value for each leaf of a structure, from a tree of values or a prefix of it."""
    if values is None:
        return [None] * treedef.num_leaves
    positions = treedef.unflatten(list(range(treedef.num_leaves)))
    prefix_def: Any
    prefix, prefix_def = jax.tree.flatten(values, is_leaf=_is_absent)
    each: dict[int, Any] = {}
    for value, subtree in zip(prefix, prefix_def.flatten_up_to(positions), strict=True):
        each |= dict.fromkeys(jax.tree.leaves(subtree), value)
    return [each[i] for i in range(treedef.num_leaves)]


def _moves_no_data(x: Any) -> bool:
    """Whether packing x needs nothing from another device: it is whole on each of its own."""
    if isinstance(x, jax.core.Tracer) or not isinstance(x, jax.Array):
        return True
    return x.is_fully_replicated


def pack(
    params: PyTree,
    labels: PyTree | None = None,
    *,
    max_size: int = 4096,
    keep: Callable[[PyTree], PyTree] | None = None,
) -> Packed:
    """Lay the small arrays of a tree in one flat buffer for each dtype and label.

    Args:
      params: a tree of arrays. Sharded arrays, and ones that are not floating-point or
        complex, stay as they are.
      labels: a tree of hashable labels like ``params`` or a prefix of it, or a function
        that makes one; leaves with different labels never share a buffer. Masks of weight
        decay and the labels of a partition belong here.
      max_size: the most elements of an array that is packed.
      keep: which arrays stay as they are whatever their size: booleans like ``params``
        or a function that makes them, such as :func:`select`.

    Returns:
      A :class:`Packed` pytree.

    >>> import jax.numpy as jnp
    >>> params = {"kernel": jnp.ones((100, 100)), "bias": jnp.ones(100), "scale": jnp.ones(100)}
    >>> packed = pack(params)
    >>> packed
    Packed(2 arrays in 1 buffers ['float32'], 1 kept)
    >>> packed.unpack()["bias"].shape
    (100,)
    """
    leaves, treedef = trees.flatten(params)
    label_tree = labels(params) if callable(labels) else labels
    keep_tree = keep(params) if callable(keep) else keep
    names: dict[tuple[str, Hashable], int] = {}
    members = []
    rows = zip(
        trees.leaf_paths(params),
        leaves,
        per_leaf(label_tree, treedef),
        per_leaf(keep_tree, treedef),
        strict=True,
    )
    for path, x, label, stays in rows:
        small = x is not None and math.prod(jnp.shape(x)) <= max_size
        fits = small and jnp.issubdtype(jnp.result_type(x), jnp.inexact) and _moves_no_data(x)
        buffer = None
        if fits and not stays:
            buffer = names.setdefault((str(jnp.result_type(x)), label), len(names))
        dtype = None if x is None else jnp.result_type(x)
        members.append(Member(path, jnp.shape(x) if x is not None else (), dtype, buffer, label))
    titles = tuple(dtype if label is None else f"{dtype}/{label}" for dtype, label in names)
    return _fill(Layout(treedef, tuple(members), titles), leaves)


def is_packed(x: Any) -> bool:
    """Whether ``x`` is a :class:`Packed` tree."""
    return isinstance(x, Packed)


def refusing(who: str, init: Callable[[PyTree], Any]) -> Callable[[PyTree], Any]:
    """``init`` of a transformation that is not elementwise, which refuses packed parameters.

    Those that are kept as they are it may have, where a mask hides the buffers.
    """

    def checked(params: PyTree) -> Any:
        packed = filter(is_packed, jax.tree.leaves(params, is_leaf=is_packed))
        if not all(_is_absent(buffer) for x in packed for buffer in x.buffers):
            raise ValueError(
                f"{who} is not elementwise: what it does to an element depends on the array that "
                "holds it, which a packed buffer has lost. Run it on the tree, or pack with keep= "
                "for the arrays it works on."
            )
        return init(params)

    return checked
