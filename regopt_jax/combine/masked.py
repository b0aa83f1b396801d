"""Masks: a transformation for some leaves, the identity for the others."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import optax

from regopt_jax._core import (
    GradientTransformation,
    PyTree,
    as_transformation,
    fields,
    matching,
    trees,
    wrap,
)
from regopt_jax._core.decorator import transformation
from regopt_jax._core.modes import Mode
from regopt_jax.combine.choices import Mask, keep, refuse_strings, resolve


@transformation()
def masked(
    inner: optax.GradientTransformation, mask: Mask, *, mask_compatible_extra_args: bool = False
) -> GradientTransformation:
    """Apply a transformation to the leaves that a mask selects; pass the others through.

    Args:
      inner: ours or Optax's; its state holds the selected leaves only.
      mask: booleans in the structure of the parameters or a prefix of it, or a
        function of the parameters that returns them, such as :func:`select`.
      mask_compatible_extra_args: mask the extra arguments of ``update`` that have
        the updates' structure too.

    Raises:
      ValueError: the mask holds strings; (from ``init``) it does not match the parameters, has
        something else than booleans, or a selector matches no leaf; lists the paths.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.masked(ro.scale(10.0), ro.select("w"))
    >>> grads = {"b": jnp.array(1.0), "w": jnp.array(1.0)}
    >>> updates, _ = tx.update(grads, tx.init(grads))
    >>> [float(updates["b"]), float(updates["w"])]
    [1.0, 10.0]
    """
    part = as_transformation(inner)
    if not callable(mask):
        refuse_strings("masked", mask)

    def mask_for(tree: PyTree) -> PyTree:
        # A tree without leaves (Optax's placeholder among them) has nothing to mask.
        return resolve("masked", "mask", mask, tree) if trees.flatten(tree)[0] else True

    def sees(tree: PyTree) -> tuple[PyTree]:
        return (keep(mask_for(tree), tree),)

    def init(params: PyTree) -> optax.MaskedState:
        return optax.MaskedState(part.init(*sees(params)))

    def run(
        mode: Mode, updates: PyTree, state: optax.MaskedState, params: PyTree | None, extra: Any
    ) -> tuple[Any, optax.MaskedState]:
        if params is not None:
            matching.align("masked", "parameters", params, updates, trees.flatten(updates)[1])
        masks = [mask_for(updates if params is None else params)]
        narrow = mask_compatible_extra_args
        out, (after,) = side_by_side(
            [part], masks, mode, updates, [state.inner_state], params, extra, narrow
        )
        return out, optax.MaskedState(after)

    return wrap(
        part,
        init=init,
        run=run,
        lens=fields("inner_state"),
        sees=sees,
        selects=True,
        selection=None if callable(mask) else mask,
        metric="inner",
    )


def side_by_side(
    parts: Sequence[GradientTransformation],
    masks: Sequence[PyTree],
    mode: Mode,
    updates: PyTree,
    states: Sequence[Any],
    params: PyTree | None,
    extra: Mapping[str, Any],
    narrow_extra: bool,
) -> tuple[Any, list[Any]]:
    """Each part on the leaves that its mask selects; leaves in no mask pass.

    No leaf is in two masks. ``narrow_extra`` masks the extra arguments too that have the
    structure of the updates.
    """
    out = mode.land(updates)
    after = []
    for part, mask, state in zip(parts, masks, states, strict=True):

        def see(tree: PyTree, mask: PyTree = mask) -> PyTree:
            return keep(mask, tree)

        kept = None if params is None else see(params)
        given = _narrowed(extra, mask, updates) if narrow_extra else extra
        own, state = part.run(mode.seen(see), see(updates), state, kept, given)
        after.append(state)
        out = _merged(mask, own, out)
    return out, after


def _merged(mask: PyTree, new: PyTree, old: PyTree) -> PyTree:
    leaves, treedef = trees.flatten(mask)
    pairs = zip(leaves, treedef.flatten_up_to(new), treedef.flatten_up_to(old), strict=True)
    return treedef.unflatten([n if on else o for on, n, o in pairs])


def _narrowed(extra: Mapping[str, Any], mask: PyTree, like: PyTree) -> dict[str, Any]:
    """Extra arguments, of which those with the structure of a tree get its mask."""
    structure: Any = jax.tree.structure(like)
    return {
        key: keep(mask, value) if jax.tree.structure(value) == structure else value
        for key, value in extra.items()
    }
