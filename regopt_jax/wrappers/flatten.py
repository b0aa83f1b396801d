"""All arrays of a tree as one vector."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax import _trees
from regopt_jax._core import Composition, GradientTransformation, adopt
from regopt_jax._layout import gathered, scattered
from regopt_jax._trees import Array, PyTree


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
    part = adopt(inner)

    def init(params: PyTree) -> Any:
        _trees.check_inexact("flatten", params)
        return part.init(_join(_trees.flatten(params)[0]))

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, Any]:
        leaves, treedef = _trees.flatten(updates)
        like, flat_params = leaves, None
        if params is not None:
            like = _trees.align("flatten", "parameters", params, updates, treedef)
            _trees.check_shapes("flatten", "parameter", updates, leaves, like)
            flat_params = _join(like)
        filled = [
            jnp.zeros_like(p) if g is None and p is not None else g
            for g, p in zip(leaves, like, strict=True)
        ]
        out, state = part.update(_join(filled), state, flat_params, **extra)
        pieces = _split(out, filled)
        pairs = zip(leaves, pieces, strict=True)
        us = [None if g is None else scattered(_as(u, g), g) for g, u in pairs]
        return treedef.unflatten(us), state

    def metric(state: Any, params: PyTree) -> PyTree:
        assert part.metric is not None
        leaves, treedef = _trees.flatten(params)
        flat = _join(leaves)
        whole = jnp.broadcast_to(part.metric(state, flat), flat.shape)
        return treedef.unflatten(_split(whole, leaves))

    def rebuild(parts: Sequence[GradientTransformation]) -> GradientTransformation:
        raise ValueError(
            "flatten: its vector has lost the paths and shapes by which a regulariser selects. "
            "Put the regulariser into a chain beside flatten, or into the inner transformation "
            "before flattening."
        )

    return GradientTransformation(
        init,
        update,
        name="flatten",
        role="composite",
        elementwise=part.elementwise,
        metric=None if part.metric is None else metric,
        composition=Composition((part,), (part.name,), lambda s: (s,), rebuild, across=True),
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
    return (u.real if real else u).astype(dtype)
