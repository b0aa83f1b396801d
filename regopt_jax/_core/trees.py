"""Pytrees: leaves with the names of their paths.

``None`` counts as a leaf here (a parameter without a gradient), unlike in ``jax.tree``;
``optax.MaskedNode`` is an empty subtree, as in Optax.
"""

import functools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core.tolerance import strict

PyTree = Any
Array = jax.Array
ArrayLike = jax.typing.ArrayLike


def _is_none(x: Any) -> bool:
    return x is None


def path_string(path: Sequence[Any]) -> str:
    """``params['dense']['kernel']`` as ``dense/kernel``; the root leaf as ``<root>``."""
    return jax.tree_util.keystr(tuple(path), simple=True, separator="/") or "<root>"


def flatten(tree: PyTree) -> tuple[list[Any], Any]:
    """Leaves, ``None`` included, and the structure that holds them."""
    return jax.tree.flatten(tree, is_leaf=_is_none)


def leaf_paths(tree: PyTree) -> list[str]:
    """The path of every leaf of :func:`flatten`, in its order.

    A box adds no part: a node whose only child is its attribute ``value``, such as a
    ``Variable`` of Flax NNX.
    """
    with_paths, treedef = jax.tree.flatten_with_path(tree, is_leaf=_is_none)
    paths = [tuple(path) for path, _ in with_paths]
    if any(_BOXED in path for path in paths):
        alone = _only_children(treedef, ())
        paths = [
            tuple(k for k, only in zip(path, each, strict=True) if not (only and k == _BOXED))
            for path, each in zip(paths, alone, strict=True)
        ]
    return [path_string(path) for path in paths]


_BOXED = jax.tree_util.GetAttrKey("value")


def _only_children(treedef: Any, above: tuple[bool, ...]) -> Iterator[tuple[bool, ...]]:
    """For each leaf and each node on the way to it, whether the node has no siblings."""
    children = treedef.children()
    if not children and treedef.num_leaves:
        yield above
    for child in children:
        yield from _only_children(child, (*above, len(children) == 1))


def has_masked_nodes(tree: PyTree) -> bool:
    """Whether a mask or a partition has narrowed this tree."""

    def is_masked(x: Any) -> bool:
        return isinstance(x, optax.MaskedNode)

    return any(map(is_masked, jax.tree.leaves(tree, is_leaf=is_masked)))


def align(
    who: str,
    what: str,
    tree: PyTree,
    like: PyTree,
    treedef: Any,
    *,
    of: str = "gradients",
    advice: str = "Pass the tree whose structure `init` was called with.",
) -> list[Any]:
    """The subtrees of ``tree`` at the leaves of ``like``, whose structure is ``treedef``.

    ``what`` says what ``tree`` holds and ``of`` what ``like`` does.

    Raises:
      ValueError: the structures differ; names the paths found on one side only.
    """
    try:
        return list(treedef.flatten_up_to(tree))
    except ValueError as error:
        if not strict():
            raise
        here, there = set(leaf_paths(like)), set(leaf_paths(tree))
        above = {path for leaf in there for path in _prefixes(leaf)}
        only_like = ", ".join(sorted(here - above)[:5]) or "none"
        only_tree = ", ".join(sorted(x for x in there if here.isdisjoint(_prefixes(x)))[:5])
        if here == there:
            raise ValueError(
                f"{who}: the {of.removesuffix('s')} tree does not match the {what}: "
                f"{_first_other_node(tree, like, what, of)}. {advice}"
            ) from error
        raise ValueError(
            f"{who}: the {of.removesuffix('s')} tree does not match the {what}. Leaves of the "
            f"{of} only: {only_like}. Leaves of the {what} only: {only_tree or 'none'}. {advice}"
        ) from error


def _first_other_node(tree: PyTree, like: PyTree, what: str, of: str) -> str:
    """Where two trees of equal paths are of nodes of other types, or of other static data."""
    pairs: list[tuple[tuple[Any, ...], PyTree, PyTree]] = [((), tree, like)]
    for path, a, b in pairs:
        if type(a) is not type(b):
            kinds = (type(a).__name__, type(b).__name__)
            return f"at '{path_string(path)}' the {what} have a {kinds[0]}, the {of} a {kinds[1]}"
        below = [
            jax.tree.flatten_with_path(x, is_leaf=lambda y, x=x: y is not x)[0] for x in (a, b)
        ]
        if not jax.tree_util.all_leaves([a]):
            pairs.extend(((*path, *key), x, y) for (key, x), (_, y) in zip(*below, strict=False))
    return "a node holds other static data"


def _prefixes(path: str) -> list[str]:
    """The paths of a leaf and of the nodes above it."""
    parts = path.split("/")
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def check_shapes(who: str, what: str, tree: PyTree, leaves: list[Any], others: list[Any]) -> None:
    """Compare shapes leaf by leaf, naming the path of the first that differs."""
    for index, (leaf, other) in enumerate(zip(leaves, others, strict=True)):
        if (
            leaf is None
            or not strict()
            or (other is not None and jnp.shape(leaf) == jnp.shape(other))
        ):
            continue
        if other is None:
            raise ValueError(
                f"{who}: the leaf at '{leaf_paths(tree)[index]}' has a gradient but no {what}: "
                "it was None before."
            )
        raise ValueError(
            f"{who}: the leaf at '{leaf_paths(tree)[index]}' has shape {jnp.shape(leaf)}, "
            f"its {what} {jnp.shape(other)}."
        )


def is_inexact(x: Any) -> bool:
    """Whether x is a floating-point or complex number or array."""
    if isinstance(x, float | complex):
        return True
    dtype = getattr(x, "dtype", None)
    return dtype is not None and _has_gradients(dtype)


@functools.cache
def _has_gradients(dtype: Any) -> bool:
    return bool(jnp.issubdtype(dtype, jnp.inexact))


def check_inexact(who: str, tree: PyTree, what: str = "gradient") -> None:
    """Refuse leaves that cannot be optimised, naming the path of the first."""
    for index, leaf in enumerate(flatten(tree)[0] if strict() else ()):
        if leaf is not None and not is_inexact(leaf):
            path, kind = leaf_paths(tree)[index], getattr(leaf, "dtype", type(leaf).__name__)
            raise TypeError(
                f"{who}: the {what} at '{path}' is of {kind}, which cannot be optimised. "
                "Optimise floating-point or complex arrays only; set the others to None "
                "(regopt_jax.trainable does) or mask them out."
            )


def check_real(who: str, tree: PyTree) -> None:
    """Refuse complex leaves, naming the path of the first."""
    for path, leaf in zip(leaf_paths(tree), flatten(tree)[0], strict=True):
        if jnp.iscomplexobj(leaf):
            raise TypeError(
                f"{who}: the parameter at '{path}' is complex, for which it is not defined. "
                "Optimise its parts, as regopt_jax.split_real_and_imaginary does."
            )


def spread(x: PyTree, tree: PyTree) -> PyTree:
    """A tree like ``tree`` with ``x`` at each leaf, if ``x`` is one number; else ``x`` itself."""
    if not jax.tree_util.all_leaves([x]):
        return x
    leaves, treedef = flatten(tree)
    return treedef.unflatten([x] * len(leaves))


def ones(tree: PyTree) -> PyTree:
    """1 at each leaf: the metric of what rescales no coordinate."""
    return jax.tree.map(lambda _: 1.0, tree)


def is_abstract(tree: PyTree) -> bool:
    """Whether a tree holds shapes in place of arrays."""
    return any(isinstance(x, jax.ShapeDtypeStruct) for x in jax.tree.leaves(tree))


def on_shapes_too(init: Callable[[PyTree], Any]) -> Callable[[PyTree], Any]:
    """An ``init`` that makes shapes of shapes, and no arrays; in Optax's face zeros, as there."""

    def checked(params: PyTree) -> Any:
        if not is_abstract(params):
            return init(params)
        leaves, treedef = flatten(params)
        shapes = [x for x in leaves if isinstance(x, jax.ShapeDtypeStruct)]

        def of(arrays: Sequence[Any]) -> Any:
            given = iter(arrays)
            whole = [next(given) if isinstance(x, jax.ShapeDtypeStruct) else x for x in leaves]
            return init(treedef.unflatten(whole))

        if not strict():
            return of([jnp.zeros(x.shape, x.dtype, device=x.sharding) for x in shapes])
        return jax.eval_shape(of, shapes)

    return checked


def key_paths(tree: PyTree) -> dict[Any, None]:
    """The paths of the leaves that are not ``None``, as JAX has them, in order."""
    return {path: None for path, x in jax.tree.flatten_with_path(tree)[0]}


def overlaid(base: PyTree, *trees: PyTree) -> PyTree:
    """``base`` with the leaves of others, which masks have narrowed, in their places."""
    found: dict[Any, Any] = {}
    for tree in trees:
        found |= jax.tree.flatten_with_path(tree, is_leaf=_is_none)[0]
    treedef: Any
    leaves, treedef = jax.tree.flatten_with_path(base, is_leaf=_is_none)
    return treedef.unflatten([found.get(path, leaf) for path, leaf in leaves])


def map_leaves(
    who: str,
    function: Callable[..., Any],
    tree: PyTree,
    *,
    broadcast: Collection[str] = (),
    **others: PyTree,
) -> PyTree:
    """Map over a tree and others named by what they hold; ``None`` in any gives ``None``.

    Those named in ``broadcast`` need the structure of ``tree``, but not its shapes.

    Raises:
      ValueError: a tree differs from the first in structure or in a shape; names the path.
    """
    leaves, treedef = flatten(tree)
    columns = [leaves]
    for what, other in others.items():
        column = align(who, what, other, tree, treedef)
        if what not in broadcast:
            present = [x if o is None else o for x, o in zip(leaves, column, strict=True)]
            check_shapes(who, what.removesuffix("s"), tree, leaves, present)
        columns.append(column)

    def one(*xs: Any) -> Any:
        if any(x is None for x in xs):
            return None
        with jax.numpy_dtype_promotion("standard"):
            return function(*xs)

    return treedef.unflatten([one(*xs) for xs in zip(*columns, strict=True)])


def extent(leaves: int, elements: int) -> str:
    """How much of a tree, in words."""
    return f"{leaves} {'leaf' if leaves == 1 else 'leaves'}, {elements:,} elements"


class ParamsNeededError(ValueError):
    """An update needs the parameters and did not get them."""

    def __init__(self, who: str, first: str) -> None:
        super().__init__(
            f"{who}: the parameters are needed (first leaf: '{first}'); "
            "call update(updates, state, params)."
        )
        self.first = first


def fast(tree: PyTree) -> PyTree:
    """The fast parameters of ``optax.LookaheadParams``; any other tree as it is."""
    return tree.fast if isinstance(tree, optax.LookaheadParams) else tree


def params_needed(who: str, updates: PyTree) -> ParamsNeededError:
    """The error of an update of ``who`` without the parameters."""
    return ParamsNeededError(who, (leaf_paths(updates) or ["none"])[0])


def abs_sq(x: Array) -> Array:
    """|x|² of a real or complex array, real."""
    return (x * x.conj()).real if jnp.iscomplexobj(x) else x * x


def at_least_float32(x: ArrayLike) -> Array:
    """The array in float32 if it is narrower, else as it is; in Optax's face, always as it is."""
    x = jnp.asarray(x)
    return x.astype(jnp.float32) if x.dtype.itemsize < 4 and strict() else x


def cast_like(x: ArrayLike, like: Array) -> Any:
    """A number in the real dtype of an array; in Optax's face as it is, to be promoted."""
    return jnp.asarray(x, jnp.finfo(like.dtype).dtype) if strict() else x


def real_dtype(tree: PyTree, *, narrowest: bool = True) -> Any:
    """The widest dtype of the leaves, or of their parts where complex; float32 or wider.

    In Optax's face the narrowest of them, or the widest, whichever that is.
    """
    if not strict():
        found = optax.tree.dtype(tree, "lowest" if narrowest else "highest")
        return jnp.finfo(found).dtype if jnp.issubdtype(found, jnp.inexact) else found
    own = map(jnp.result_type, jax.tree.leaves(tree))
    dtypes = [jnp.finfo(dtype).dtype for dtype in own if jnp.issubdtype(dtype, jnp.inexact)]
    with jax.numpy_dtype_promotion("standard"):
        return jnp.result_type(jnp.float32, *dtypes)


def zeros_like(p: ArrayLike, dtype: Any = None) -> Array:
    """Zeros of ``p``'s shape and sharding, with a dtype that is never weak."""
    return full_like(p, 0, dtype)


def full_like(p: ArrayLike, value: ArrayLike, dtype: Any = None) -> Array:
    """``value`` in ``p``'s shape and sharding, with a dtype that is never weak."""
    return jnp.full_like(p, value, dtype=_like(p, dtype))


def _like(p: ArrayLike, dtype: Any) -> Any:
    """A dtype as precise as ``dtype``, and complex if ``p`` is: a real one would halve it.

    In Optax's face the very dtype.
    """
    own = p.dtype if hasattr(p, "dtype") else jnp.result_type(p)
    if not strict():
        return jax.dtypes.canonicalize_dtype(dtype or own)
    kept = jax.dtypes.canonicalize_dtype(dtype or own)
    if jnp.issubdtype(own, jnp.complexfloating):
        with jax.numpy_dtype_promotion("standard"):
            return jnp.promote_types(kept, jnp.complex64)
    return jnp.finfo(kept).dtype if jnp.issubdtype(own, jnp.inexact) else kept


def square_like(p: ArrayLike, value: ArrayLike = 0) -> Array:
    """``value`` in ``p``'s shape, to hold squares: in a dtype that is :func:`widened`."""
    return full_like(p, value, widened(jnp.result_type(p)))


def widened(dtype: Any) -> Any:
    """float32 for float16, which holds no square of a number under 2e-4 or above 256, nor the
    usual ε; any other dtype as it is, and in Optax's face every one."""
    return jnp.dtype(jnp.float32) if dtype == jnp.float16 and strict() else dtype


def copied(p: ArrayLike, dtype: Any = None) -> Array:
    """A copy that the parameter's buffer may be donated without, with its sharding."""
    return jnp.array(p, dtype=_like(p, dtype), copy=True)


def in_dtype_of(old: Any, new: Any) -> Any:
    """``new`` in the dtype of ``old``; either may be a Python number."""
    dtype = jnp.asarray(old).dtype
    return new if getattr(new, "dtype", None) == dtype else jnp.asarray(new).astype(dtype)


def unshared(tree: PyTree, *others: PyTree) -> PyTree:
    """The tree, with a copy of each array that it has twice, or that is in another tree.

    A donated step gives each buffer away once.
    """
    seen = {id(x) for x in jax.tree.leaves(others)}

    def own(x: Any) -> Any:
        again = id(x) in seen and isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer)
        seen.add(id(x))
        return jnp.copy(x) if again else x

    return jax.tree.map(own, tree)
