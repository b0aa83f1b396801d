"""L-BFGS: the direction of Newton's step, from the last differences of parameters and gradients."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import (
    Array,
    GradientTransformation,
    PyTree,
    arithmetic,
    matching,
    transformation,
    trees,
)
from regopt_jax._core.nature import Rule
from regopt_jax._core.protocol import primitive
from regopt_jax._core.tolerance import strict
from regopt_jax._core.vectors import global_norm, inner, total

WHO = "scale_by_lbfgs"


@transformation(memory_size="integer [1, inf)")
def scale_by_lbfgs(
    memory_size: int = 10, scale_init_precond: bool = True
) -> GradientTransformation:
    r"""Multiply the gradient by an estimate of the inverse Hessian (L-BFGS).

    .. math:: u = P g, \qquad P ← (I - ρ s y^⊤) P (I - ρ y s^⊤) + ρ s s^⊤, \quad ρ = 1/s^⊤ y

    for the last m differences of parameters, s, and of gradients, y, from :math:`P = γ I` with
    :math:`γ = s^⊤ y/y^⊤ y` of the newest; before the first, :math:`γ = \min(1, 1/\lVert g\rVert)`.
    A pair along which the gradient does not rise,
    :math:`s^⊤ y ≤ ε \lVert s\rVert \lVert y\rVert` for the ε of the dtype, or whose ρ is not
    finite, is left out. What follows in a chain turns the direction down, and a line search finds
    the size of the step.

    Args:
      memory_size: m ≥ 1, the number of differences to keep, each two arrays like each parameter.
      scale_init_precond: start from γ; else from 1.

    Raises:
      ValueError: ``memory_size`` out of its range; (from ``update``) no parameters.

    Nocedal & Wright, *Numerical Optimization*, algorithms 7.4 and 7.5; Liu & Nocedal, *On the
    limited memory BFGS method*, 1989.

    >>> import jax.numpy as jnp
    >>> H, tx, w = jnp.array([2.0, 4.0]), scale_by_lbfgs(), jnp.array([3.0, 0.0])
    >>> _, state = tx.update(H * w, tx.init(w), w)
    >>> w = jnp.array([1.0, 0.0])
    >>> tx.update(H * w, state, w)[0].tolist()
    [1.0, 0.0]
    """

    def init(params: PyTree) -> optax.ScaleByLBFGSState:

        def memory(p: Array) -> Array:
            like = arithmetic.square_like(p)
            return jnp.zeros_like(jnp.broadcast_to(like, (memory_size, *like.shape)))

        return optax.ScaleByLBFGSState(
            count=jnp.zeros([], jnp.int32),
            params=jax.tree.map(arithmetic.zeros_like, params),
            updates=jax.tree.map(arithmetic.zeros_like, params),
            diff_params_memory=jax.tree.map(memory, params),
            diff_updates_memory=jax.tree.map(memory, params),
            weights_memory=jnp.zeros(
                memory_size, arithmetic.real_dtype(params) if strict() else float
            ),
        )

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **_: Any
    ) -> tuple[PyTree, optax.ScaleByLBFGSState]:
        if params is None:
            raise matching.params_needed(WHO, updates)
        leaves: list[Any]
        leaves, treedef = trees.flatten(updates)

        def aligned(what: str, tree: PyTree) -> list[Any]:
            return matching.align(WHO, what, tree, updates, treedef)

        here = aligned("parameters", params)
        old_params, old_updates = aligned("state", state.params), aligned("state", state.updates)
        matching.check_shapes(WHO, "parameter", updates, leaves, here)
        matching.check_shapes(WHO, "state", updates, leaves, old_updates)
        # A leaf without a gradient stands still.
        here = _filled(leaves, here, old_params)
        grads = _filled(leaves, leaves, old_updates)
        first = state.count == 0
        s, y = (_difference(first, *pair) for pair in ((here, old_params), (grads, old_updates)))
        place = (state.count - 1) % memory_size
        weight = _weight(s, y, state.weights_memory.dtype)
        weights = jnp.asarray(state.weights_memory).at[place].set(weight)
        S, Y = (
            jax.tree.map(
                lambda memory, x: jnp.asarray(memory).at[place].set(x.astype(memory.dtype)),
                aligned("state", memory),
                x,
            )
            for memory, x in ((state.diff_params_memory, s), (state.diff_updates_memory, y))
        )
        order = (state.count + jnp.arange(memory_size, dtype=state.count.dtype)) % memory_size
        scale = jnp.ones([], weights.dtype)
        if scale_init_precond:
            scale = _scale(first, grads, s, y, (S, Y, weights, order)).astype(weights.dtype)
        direction = _times_inverse_hessian(grads, S, Y, weights, order, scale)
        out = [None if g is None else d for g, d in zip(leaves, direction, strict=True)]
        return treedef.unflatten(out), optax.ScaleByLBFGSState(
            optax.safe_increment(state.count),
            *(treedef.unflatten(each) for each in (here, grads, S, Y)),
            weights,
        )

    return primitive(init, update, Rule("precondition", count=lambda state: state.count))


def _filled(leaves: list[Any], new: list[Any], old: list[Any]) -> list[Any]:
    """The new arrays, or the old ones where a leaf has no gradient."""
    return [o if g is None else n for g, n, o in zip(leaves, new, old, strict=True)]


def _difference(first: Array, new: list[Any], old: list[Any]) -> list[Any]:
    """What has changed; nothing before the first step."""

    def one(n: Array, o: Array) -> Array:
        with jax.numpy_dtype_promotion("standard"):
            change = jnp.asarray(n) - o
        return jnp.where(first, jnp.zeros_like(change), change)

    return jax.tree.map(one, new, old)


def _weight(s: PyTree, y: PyTree, dtype: Any) -> Array:
    """ρ, or 0 where a pair is left out."""
    product = total(WHO, inner, s, y=y)
    if strict():
        limits = jnp.finfo(product.dtype)
        least = limits.eps * global_norm(s).astype(product.dtype)
        least = least * global_norm(y).astype(product.dtype)
        kept = product > jnp.maximum(least, limits.tiny)
    else:
        kept = (product != 0) & jnp.isfinite(1 / product)
    return jnp.where(kept, 1 / jnp.where(kept, product, 1), 0).astype(dtype)


def _scale(first: Array, grads: PyTree, s: PyTree, y: PyTree, memory: Any) -> Array:
    """γ: of the newest pair that is not left out; in Optax's face, of the newest."""
    norm = global_norm(grads)
    start = 1 / jnp.maximum(norm, 1)
    if not strict():
        product, square = total(WHO, inner, s, y=y), total(WHO, inner, y, z=y)
        flat = ~(square > 0)
        ratio = jnp.where(flat, 1, product / jnp.where(flat, 1, square))
        return jnp.where(first, start.astype(ratio.dtype), ratio)
    _, Y, weights, order = memory
    newest = order[jnp.argmax(jnp.where(weights[order] > 0, jnp.arange(order.size), -1))]
    weight, latest = weights[newest], jax.tree.map(lambda x: x[newest], Y)
    curved = weight > 0
    square = total(WHO, inner, latest, z=latest).astype(weight.dtype) * weight
    kept = curved & (square > 0)
    return jnp.where(kept, 1 / jnp.where(kept, square, 1), start.astype(weight.dtype))


def _times_inverse_hessian(
    g: PyTree, S: PyTree, Y: PyTree, weights: Array, order: Array, scale: Array
) -> PyTree:
    """P g, by two walks over the pairs, oldest first in ``order`` (the two-loop recursion)."""

    def plus(q: PyTree, factor: Array, x: PyTree) -> PyTree:
        return jax.tree.map(lambda q, x: q + factor.astype(_real(q)) * x.astype(q.dtype), q, x)

    def along(x: PyTree, q: PyTree) -> Array:
        return total(WHO, inner, x, q=q).astype(weights.dtype)

    def pair(i: Array) -> tuple[PyTree, PyTree]:
        both: tuple[PyTree, PyTree] = jax.tree.map(lambda x: x[i], (S, Y))
        return both

    def back(q: PyTree, i: Array) -> tuple[PyTree, Array]:
        s, y = pair(i)
        a = weights[i] * along(s, q)
        return plus(q, -a, y), a

    def forth(r: PyTree, at: tuple[Array, Array]) -> tuple[PyTree, None]:
        i, a = at
        s, y = pair(i)
        return plus(r, a - weights[i] * along(y, r), s), None

    wide = jax.tree.map(arithmetic.at_least_float32, g)
    with jax.numpy_dtype_promotion("standard"):
        q, factors = jax.lax.scan(back, wide, order, reverse=True)
        r = jax.tree.map(lambda x: scale.astype(_real(x)) * x, q)
        r, _ = jax.lax.scan(forth, r, (order, factors))
    return jax.tree.map(lambda r, g: r.astype(g.dtype), r, g)


def _real(x: Array) -> Any:
    return jnp.finfo(x.dtype).dtype
