"""States kept in another format or another place than the one they are computed in.

How a state is kept is not what it computes: around a transformation, each slot is decoded
before an update and encoded after it, and no formula knows. What is encoded is what is like a
parameter: floating-point arrays that lie under a parameter's path and have its shape. Counts,
keys, scalars and what has another shape stay as they are.
"""

from collections.abc import Callable
from typing import Any

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
    """A slot as it is kept, the dtype that it decodes to, and how many others kept it before."""

    def __init__(self, kept: Any, dtype: Any, level: int = 0):
        self.kept, self.dtype, self.level = kept, dtype, level

    def tree_flatten_with_keys(self) -> tuple[Any, Any]:
        """For ``jax.tree``: what is kept has the path of the slot."""
        return ((jax.tree_util.GetAttrKey("value"), self.kept),), (self.dtype, self.level)

    @classmethod
    def tree_unflatten(cls, data: Any, children: Any) -> "Encoded":
        """For ``jax.tree``."""
        (kept,) = children
        return cls(kept, *data)

    def __repr__(self) -> str:
        return f"Encoded({self.kept!r}, {jnp.dtype(self.dtype).name})"


class _Kept(Lens):
    """The lens of a transformation whose slots are kept in another format."""


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
    part = as_transformation(inner)
    level = sum(isinstance(getattr(x.tx.nature, "lens", None), _Kept) for x in walk(part))

    def start(params: PyTree) -> Any:
        shapes = {path: jnp.shape(x) for path, x in jax.tree.flatten_with_path(params)[0]}

        def one(path: tuple[Any, ...], x: Any) -> Any:
            ends = (path[i:] for i in range(len(path) + 1))
            like = jnp.ndim(x) > 0 and any(shapes.get(end) == jnp.shape(x) for end in ends)
            return encoded(x) if like and jnp.issubdtype(x.dtype, jnp.inexact) else x

        return jax.tree.map_with_path(one, part.init(params))

    def encoded(x: Array) -> Encoded:
        return Encoded(encode(x), x.dtype, level)

    def as_before(old: Any, new: Any) -> Any:
        """A state with what was encoded before encoded again."""
        return jax.tree.map(lambda o, n: encoded(n) if is_kept(o) else n, old, new, is_leaf=is_kept)

    def decoded(state: Any) -> Any:
        def one(x: Any) -> Any:
            return decode(x.kept, x.dtype) if is_kept(x) else x

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
