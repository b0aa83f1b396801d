"""Parameters that do not move."""

import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation, PyTree, leafwise, transformation, trees, wrap
from regopt_jax._core.foreign import as_transformation
from regopt_jax._core.modes import Mode
from regopt_jax._core.nature import Lens
from regopt_jax.combine.choices import Mask, keep, resolve
from regopt_jax.combine.masked import masked, side_by_side


@transformation()
def set_to_zero() -> GradientTransformation:
    """Replace the updates by zeros.

    Its metric is infinite, so that a proximal map leaves the parameters alone too.

    >>> import jax.numpy as jnp
    >>> tx = set_to_zero()
    >>> float(tx.update(jnp.array(2.0), tx.init(jnp.array(0.0)))[0])
    0.0
    """
    return leafwise(jnp.zeros_like, role="gradient", metric=lambda: jnp.inf, of_any_dtype=True)


@transformation()
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
    return masked(set_to_zero(), mask)


@transformation()
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
    part, stop = as_transformation(optimizer), set_to_zero()

    def masks(tree: PyTree) -> list[PyTree]:
        frozen = resolve("selective_transform", "mask", freeze_mask, tree)
        return [jax.tree.map(operator.not_, frozen), frozen]

    def sees(tree: PyTree) -> tuple[PyTree]:
        return (keep(masks(tree)[0], tree),)

    def states(state: optax.PartitionState) -> tuple[Any]:
        return (state.inner_states["train"].inner_state,)

    def joined(_: Any, inner: Sequence[Any]) -> optax.PartitionState:
        own = {"train": inner[0], "freeze": optax.EmptyState()}
        return optax.PartitionState({key: optax.MaskedState(state) for key, state in own.items()})

    def init(params: PyTree) -> optax.PartitionState:
        stop.init(keep(masks(params)[1], params))
        return joined(None, [part.init(*sees(params))])

    def run(
        mode: Mode, updates: PyTree, state: Any, params: PyTree | None, extra: Any
    ) -> tuple[Any, optax.PartitionState]:
        own = masks(updates if params is None else params)
        inner = [*states(state), optax.EmptyState()]
        out, after = side_by_side([part, stop], own, mode, updates, inner, params, extra, False)
        return out, joined(None, after)

    def metric(parts: Sequence[Any], state: Any, params: PyTree) -> PyTree:
        inside = parts[0].metric(*states(state), *sees(params))
        return trees.overlaid(jax.tree.map(lambda _: jnp.inf, params), inside)

    return wrap(
        part,
        init=init,
        run=run,
        lens=Lens(states, joined),
        names=("train",),
        sees=sees,
        selects=True,
        selection=None if callable(freeze_mask) else freeze_mask,
        metric=metric,
    )
