"""States kept in another format or another place than the one they are computed in.

How a state is kept is not what it computes: around a transformation, each slot is decoded
before an update and encoded after it, and no formula knows. What is encoded is what is like a
parameter: floating-point arrays that lie under a parameter's path and have its shape. Counts,
keys, scalars and what has another shape stay as they are.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core.decorator import transformation
from regopt_jax._core.foreign import as_transformation
from regopt_jax._core.modes import Mode
from regopt_jax._core.nature import Lens
from regopt_jax._core.protocol import GradientTransformation
from regopt_jax._core.trees import Array, PyTree
from regopt_jax._core.walk import walk
from regopt_jax._core.wrap import wrap


@jax.tree_util.register_pytree_with_keys_class
class Encoded:
    """A slot as it is kept.

    Attributes:
      kept: what is kept of it: a pytree of arrays.
      dtype: the dtype that it decodes to.
      level: how many others kept slots before.
      format: a value with ``encode`` and ``decode``; ``None`` where the transformation has them.
    """

    def __init__(self, kept: Any, dtype: Any, level: int = 0, format: Any = None):  # noqa: A002
        self.kept, self.dtype, self.level, self.format = kept, dtype, level, format

    def decoded(self, unsaid: Any = None) -> Array:
        """The slot again; ``unsaid`` is the format where none is named."""
        slot: Array = (self.format or unsaid).decode(self.kept, self.dtype)
        return slot

    def again(self, x: Array, unsaid: Any = None) -> "Encoded":
        """Another array, kept as this one is, or as these shapes say."""
        kept = (self.format or unsaid).encode(x)
        return Encoded(kept, self.dtype, self.level, self.format)

    def tree_flatten_with_keys(self) -> tuple[Any, Any]:
        """For ``jax.tree``: what is kept has the path of the slot."""
        data = (self.dtype, self.level, self.format)
        return ((jax.tree_util.GetAttrKey("value"), self.kept),), data

    @classmethod
    def tree_unflatten(cls, data: Any, children: Any) -> "Encoded":
        """For ``jax.tree``."""
        (kept,) = children
        return cls(kept, *data)

    def __repr__(self) -> str:
        return f"Encoded({self.kept!r}, {jnp.dtype(self.dtype).name})"


class Slot(NamedTuple):
    """An array of a state that is like a parameter: under its path, and of its shape.

    Attributes:
      parameter: the path of the parameter.
      fields: of each NamedTuple on the way to it, the class and the field.
      copied: whether it starts from what the parameter is, as a copy of it does.
      array: the array, or its shape.
    """

    parameter: tuple[Any, ...]
    fields: tuple[tuple[type, str], ...]
    copied: bool
    array: Any


class _Kept(Lens):
    """The lens of a transformation whose slots are kept in another format."""

    @property
    def decodes(self) -> bool:
        """It does."""
        return True


@transformation()
def stored(
    inner: optax.GradientTransformation,
    encode: Callable[[Array], Any],
    decode: Callable[[Any, Any], Array],
) -> GradientTransformation:
    """Keep the slots of a transformation's state in another format or place.

    Args:
      inner: ours or Optax's; the state is its own, with encoded slots.
      encode: from a slot, an array like its parameter, to what is kept: a pytree of arrays.
      decode: ``decode(kept, dtype)``, the slot again in the dtype that it had.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.stored(
    ...     ro.trace(0.9),
    ...     lambda x: x.astype(jnp.bfloat16),
    ...     lambda kept, dtype: kept.astype(dtype),
    ... )
    >>> state = tx.init(jnp.zeros(2))
    >>> tx.update(jnp.array([1.0, 2.0]), state)[1].trace.kept
    Array([1, 2], dtype=bfloat16)
    """
    functions = _Functions(encode, decode)
    return keeping(inner, lambda params, slots: [functions] * len(slots), functions)


class _Functions(NamedTuple):
    """A format that is two functions."""

    encode: Callable[[Array], Any]
    decode: Callable[[Any, Any], Array]


def keeping(
    inner: optax.GradientTransformation,
    choose: Callable[[PyTree, list[Slot]], list[Any]],
    unsaid: Any = None,
) -> GradientTransformation:
    """A transformation of which some slots are kept in a format.

    Args:
      inner: the transformation.
      choose: ``choose(params, slots)``, the format of each slot, a value with ``encode(x)`` and
        ``decode(kept, dtype)``; ``None`` leaves it as it is.
      unsaid: the format that the state does not name, where it is made of functions: they
        have no equal but themselves, and no place in a state.
    """
    part = as_transformation(inner)
    level = sum(isinstance(getattr(x.tx.nature, "lens", None), _Kept) for x in walk(part))

    def start(params: PyTree) -> Any:
        treedef: Any
        state = part.init(params)
        slots = slots_of(part, state, params)
        chosen = iter(choose(params, [slot for slot in slots if slot is not None]))
        leaves, treedef = jax.tree.flatten(state)
        formats = [None if slot is None else next(chosen) for slot in slots]

        def one(x: Any, format_: Any) -> Any:
            said = None if format_ is unsaid else format_
            return x if format_ is None else Encoded(None, x.dtype, level, said).again(x, unsaid)

        return treedef.unflatten(map(one, leaves, formats))

    def as_before(old: Any, new: Any) -> Any:
        """A state with what was encoded before encoded again."""

        def one(o: Any, n: Any) -> Any:
            return o.again(n, unsaid) if is_kept(o) else n

        return jax.tree.map(one, old, new, is_leaf=is_kept)

    def decoded(state: Any) -> Any:
        def one(x: Any) -> Any:
            return x.decoded(unsaid) if is_kept(x) else x

        return jax.tree.map(one, state, is_leaf=is_kept)

    def is_kept(x: Any) -> bool:
        return isinstance(x, Encoded) and x.level == level

    def run(mode: Mode, updates: PyTree, state: Any, params: Any, extra: Any) -> tuple[Any, Any]:
        out, after = part.run(mode, updates, decoded(state), params, extra)
        return out, as_before(state, after)

    return wrap(
        part,
        init=start,
        run=run,
        lens=_Kept(lambda state: (decoded(state),), lambda old, inner: as_before(old, inner[0])),
        metric="inner",
    )


def _has_format(x: Any) -> bool:
    return isinstance(x, Encoded) and x.format is not None


def plain(state: Any) -> Any:
    """A state with the slots that say their format decoded."""

    def one(x: Any) -> Any:
        return x.decoded() if _has_format(x) else x

    return jax.tree.map(one, state, is_leaf=_has_format)


def kept_like(like: Any, state: Any) -> Any:
    """A plain state with slots encoded as they are in another, or in its shapes."""

    def one(x: Any, value: Any) -> Any:
        return x.again(value) if _has_format(x) else value

    return jax.tree.map(one, like, state, is_leaf=_has_format)


def slots_of(part: GradientTransformation, state: Any, params: PyTree) -> list[Slot | None]:
    """For each leaf of a state the slot that it is; ``None`` for counts, keys and the like."""
    shapes = {path: jnp.shape(x) for path, x in jax.tree.flatten_with_path(params)[0]}
    leaves = jax.tree.flatten_with_path(state)[0]

    def one(path: tuple[Any, ...], x: Any, copied: bool) -> Slot | None:
        ends = (path[i:] for i in range(len(path) + 1))
        own = next((end for end in ends if shapes.get(end) == jnp.shape(x)), None)
        if own is None or jnp.ndim(x) == 0 or not jnp.issubdtype(x.dtype, jnp.inexact):
            return None
        return Slot(own, tuple(_fields(state, path)), copied, x)

    copies = _computed_from(part.init, params)
    return [one(path, x, copied) for (path, x), copied in zip(leaves, copies, strict=True)]


def _fields(tree: PyTree, path: tuple[Any, ...]) -> Iterator[tuple[type, str]]:
    for key in path:
        if isinstance(key, jax.tree_util.GetAttrKey):
            if key.name in getattr(tree, "_fields", ()):
                yield type(tree), key.name
            tree = getattr(tree, key.name, None)
        elif isinstance(key, jax.tree_util.SequenceKey):
            tree = tree[key.idx]
        elif isinstance(tree, Mapping) and isinstance(key, jax.tree_util.DictKey):
            tree = tree[key.key]


def _computed_from(function: Callable[[PyTree], PyTree], tree: PyTree) -> list[bool]:
    """For each leaf of the result whether it depends on the values of the tree."""
    jaxpr = jax.make_jaxpr(function)(tree).jaxpr
    known = set(map(id, jaxpr.invars))
    for equation in jaxpr.eqns:
        if not known.isdisjoint(map(id, equation.invars)):
            known.update(map(id, equation.outvars))
    return [id(x) in known for x in jaxpr.outvars]
