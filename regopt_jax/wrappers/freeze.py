"""Parameters that do not move."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import Composition, GradientTransformation
from regopt_jax._leafwise import leafwise
from regopt_jax._trees import PyTree
from regopt_jax.combine.chain import named_chain
from regopt_jax.combine.masked import masked
from regopt_jax.combine.select import Mask, resolve_mask


def set_to_zero() -> GradientTransformation:
    """Replace the updates by zeros.

    Its metric is infinite, so that a proximal map leaves the parameters alone too.

    >>> import jax.numpy as jnp
    >>> tx = set_to_zero()
    >>> float(tx.update(jnp.array(2.0), tx.init(jnp.array(0.0)))[0])
    0.0
    """
    return leafwise(jnp.zeros_like, name="set_to_zero", role="gradient", metric=lambda: jnp.inf)


def freeze(mask: Mask) -> GradientTransformation:
    """Zero the updates of the leaves that a mask selects; pass the others through.

    In a chain it belongs at the end: what follows it may move the parameters again.

    Args:
      mask: booleans in the structure of the parameters or a prefix of it, or a function of
        the parameters that returns them, such as :func:`select`.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.freeze(ro.select("b"))
    >>> grads = {"b": jnp.array(1.0), "w": jnp.array(1.0)}
    >>> updates, _ = tx.update(grads, tx.init(grads))
    >>> [float(updates["b"]), float(updates["w"])]
    [0.0, 1.0]
    """
    return masked(set_to_zero(), mask).named("freeze", mask=mask)


def selective_transform(
    optimizer: optax.GradientTransformation, *, freeze_mask: Mask
) -> GradientTransformation:
    """Optimise the leaves that a mask does not select; the others stay as they are.

    Args:
      optimizer: the transformation; its state holds the leaves that are not frozen.
      freeze_mask: as in :func:`freeze`.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.selective_transform(ro.sgd(1.0), freeze_mask={"b": True, "w": False})
    >>> grads = {"b": jnp.array(1.0), "w": jnp.array(1.0)}
    >>> updates, _ = tx.update(grads, tx.init(grads))
    >>> [float(updates["b"]), float(updates["w"])]
    [0.0, -1.0]
    """
    return _selective(masked(optimizer, _others(freeze_mask)), freeze_mask)


def _selective(train: GradientTransformation, freeze_mask: Mask) -> GradientTransformation:
    both = named_chain(("train", train), ("freeze", freeze(freeze_mask)))

    def init(params: PyTree) -> optax.PartitionState:
        return optax.PartitionState(dict(both.init(params)))

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, optax.PartitionState]:
        updates, after = both.update(updates, state.inner_states, params, **extra)
        return updates, optax.PartitionState(dict(after))

    def metric(state: optax.PartitionState, params: PyTree) -> PyTree:
        assert both.metric is not None
        return both.metric(state.inner_states, params)

    def rebuild(parts: Sequence[GradientTransformation]) -> GradientTransformation:
        (new,) = parts
        return _selective(new, freeze_mask)

    return GradientTransformation(
        init,
        update,
        name="selective_transform",
        role="composite",
        elementwise=both.elementwise,
        metric=None if both.metric is None else metric,
        composition=Composition(
            (train,), ("train",), lambda s: (s.inner_states["train"],), rebuild
        ),
    )


def _others(mask: Mask) -> Mask:
    def others(tree: PyTree) -> PyTree:
        return jax.tree.map(lambda frozen: not frozen, resolve_mask(mask, tree))

    return others
