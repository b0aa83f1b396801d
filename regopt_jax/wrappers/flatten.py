"""All arrays of a tree as one vector."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import (
    Array,
    GradientTransformation,
    PyTree,
    as_transformation,
    matching,
    trees,
    wrap,
)
from regopt_jax._core.decorator import transformation
from regopt_jax._core.modes import Mode, Then
from regopt_jax._core.nature import Change
from regopt_jax._core.sharding import gathered, scattered
from regopt_jax._core.tolerance import strict


@transformation()
def flatten(inner: optax.GradientTransformation) -> GradientTransformation:
    """Run a transformation on one vector that holds all arrays of the tree.

    Elementwise transformations give the same updates as without it. Those that treat each
    array by itself, or tell arrays apart by path or rank, see the one vector instead.
    The vector has the widest dtype of the arrays; a ``None`` gradient of a parameter that
    is given counts as zeros.

    Args:
      inner: the transformation; its state is that of one vector.

    Raises:
      ValueError: (from ``update``) the gradients do not match the parameters.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.flatten(ro.adam(0.1))
    >>> tx.init({"bias": jnp.zeros(2), "kernel": jnp.zeros((3, 2))})[0].mu.shape
    (8,)
    """
    part = as_transformation(inner)

    def init(params: PyTree) -> Any:
        return part.init(_join(trees.flatten(params)[0]))

    def run(mode: Mode, updates: PyTree, state: Any, params: Any, extra: Any) -> tuple[Any, Any]:
        leaves, treedef = trees.flatten(updates)
        like, flat_params = leaves, None
        if params is not None:
            like = matching.align("flatten", "parameters", params, updates, treedef)
            matching.check_shapes("flatten", "parameter", updates, leaves, like)
            flat_params = _join(like)
        filled = [
            jnp.zeros_like(p) if g is None and p is not None else g
            for g, p in zip(leaves, like, strict=True)
        ]

        def pieces(out: Array) -> PyTree:
            pairs = zip(leaves, _split(out, filled), strict=True)
            return treedef.unflatten(
                [None if g is None else scattered(_as(u, g), g) for g, u in pairs]
            )

        return part.run(Then(pieces, (), mode), _join(filled), state, flat_params, extra)

    def metric(parts: Sequence[GradientTransformation], state: Any, params: PyTree) -> PyTree:
        assert part.metric is not None
        leaves, treedef = trees.flatten(params)
        flat = _join(leaves)
        whole = jnp.broadcast_to(part.metric(state, flat), flat.shape)
        return treedef.unflatten(_split(whole, leaves))

    def edit(change: Change) -> GradientTransformation:
        raise ValueError(
            "flatten: its vector has lost the paths and shapes by which a regulariser selects. "
            "Put the regulariser into a chain beside flatten, or into the inner transformation "
            "before flattening."
        )

    return wrap(
        part,
        init=init,
        run=run,
        sees=lambda tree: (_join(trees.flatten(tree)[0]),),
        mixes=not part.elementwise,
        metric=metric,
        edit=edit,
    )


def _join(leaves: Sequence[Any]) -> Array:
    arrays = [jnp.ravel(gathered(jnp.asarray(x))) for x in leaves if x is not None]
    with jax.numpy_dtype_promotion("standard"):
        return jnp.concatenate(arrays) if arrays else jnp.zeros(0)


def _split(vector: Array, like: Sequence[Any]) -> list[Any]:
    """The pieces of a vector in the shapes of arrays, ``None`` where one is ``None``."""
    shapes = [jnp.shape(x) for x in like if x is not None]
    pieces = iter(jax.lax.split(vector, [math.prod(shape) for shape in shapes]) if shapes else [])
    return [None if x is None else next(pieces).reshape(jnp.shape(x)) for x in like]


def _as(u: Array, g: Any) -> Array:
    dtype = jnp.result_type(g)
    real = jnp.iscomplexobj(u) and not jnp.issubdtype(dtype, jnp.complexfloating)
    u = u.real if real else u
    return u.astype(dtype) if strict() else u
