"""Masks: a transformation for some leaves, the identity for the others."""

from collections.abc import Sequence
from typing import Any

import jax
import optax

from regopt_jax import _trees
from regopt_jax._core import Composition, GradientTransformation, adopt
from regopt_jax._trees import PyTree
from regopt_jax.combine.select import Mask, keep, refuse_strings, resolve_mask


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
      ValueError: the mask holds strings; (from ``init``) it does not match the parameters,
        or a selector matches no leaf; lists the paths.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.masked(ro.scale(10.0), ro.select("w"))
    >>> grads = {"b": jnp.array(1.0), "w": jnp.array(1.0)}
    >>> updates, _ = tx.update(grads, tx.init(grads))
    >>> [float(updates["b"]), float(updates["w"])]
    [1.0, 10.0]
    """
    part = adopt(inner)
    refuse_strings("masked", mask)

    def mask_for(tree: PyTree) -> PyTree:
        # A tree without leaves (Optax's placeholder among them) has nothing to mask.
        return resolve_mask(mask, tree) if _trees.flatten(tree)[0] else True

    def init(params: PyTree) -> optax.MaskedState:
        return optax.MaskedState(part.init(keep(mask_for(params), params)))

    def update(
        updates: PyTree, state: optax.MaskedState, params: PyTree | None = None, **extra_args: Any
    ) -> tuple[PyTree, optax.MaskedState]:
        if params is not None:
            _trees.align("masked", "parameters", params, updates, _trees.flatten(updates)[1])
        mask_tree = mask_for(updates if params is None else params)
        if mask_compatible_extra_args:
            structure: Any = jax.tree.structure(updates)
            extra_args = {
                key: keep(mask_tree, value) if jax.tree.structure(value) == structure else value
                for key, value in extra_args.items()
            }
        kept_params = None if params is None else keep(mask_tree, params)
        kept, inner_state = part.update(
            keep(mask_tree, updates), state.inner_state, kept_params, **extra_args
        )
        return _merge(mask_tree, kept, updates), optax.MaskedState(inner_state)

    def metric(state: optax.MaskedState, params: PyTree) -> PyTree:
        assert part.metric is not None
        mask_tree = mask_for(params)
        inside = part.metric(state.inner_state, keep(mask_tree, params))
        return _merge(mask_tree, inside, _trees.ones(params))

    def rebuild(parts: Sequence[GradientTransformation]) -> GradientTransformation:
        (new,) = parts
        return masked(new, mask, mask_compatible_extra_args=mask_compatible_extra_args)

    return GradientTransformation(
        init,
        update,
        name="masked",
        hyperparams={"mask": mask},
        role="composite",
        elementwise=part.elementwise,
        metric=None if part.metric is None else metric,
        composition=Composition(
            (part,),
            (part.name,),
            lambda s: (s.inner_state,),
            rebuild,
            narrow=lambda tree: (keep(mask_for(tree), tree),),
        ),
    )


def _merge(mask_tree: PyTree, kept: PyTree, others: PyTree) -> PyTree:
    leaves, treedef = _trees.flatten(mask_tree)
    pairs = zip(leaves, treedef.flatten_up_to(kept), treedef.flatten_up_to(others), strict=True)
    return treedef.unflatten([new if on else old for on, new, old in pairs])
