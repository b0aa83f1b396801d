"""Partitions: each leaf to the transformation that its label names."""

import dataclasses
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import optax

from regopt_jax import _trees
from regopt_jax._core import Composition, GradientTransformation, adopt
from regopt_jax._hyperparams import described
from regopt_jax._trees import PyTree
from regopt_jax.combine.chain import product_metric
from regopt_jax.combine.masked import masked
from regopt_jax.combine.select import Selector, keep, resolve_mask, split

Labels = PyTree | Callable[[PyTree], PyTree]


@described
def label_by(
    selectors: Mapping[Hashable, Selector], default: Hashable | None = None
) -> Callable[[PyTree], PyTree]:
    """A function that labels each leaf by the first selector that matches it.

    Args:
      selectors: a label to a :func:`select`, tried in order.
      default: the label of leaves that none matches; an error when ``None``.

    Raises:
      ValueError: (when called) a selector matches nothing, or a leaf has no label.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> labels = ro.label_by({"decay": ro.select("**/kernel")}, default="plain")
    >>> labels({"dense": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}})
    {'dense': {'bias': 'plain', 'kernel': 'decay'}}
    """

    def labels(params: PyTree) -> PyTree:
        leaves, treedef = _trees.flatten(params)
        columns = [_trees.flatten(selector(params))[0] for selector in selectors.values()]
        chosen = [
            next((label for label, on in zip(selectors, row, strict=True) if on), default)
            for row in zip(*columns, strict=True)
        ]
        each = zip(_trees.leaf_paths(params), leaves, chosen, strict=True)
        rest = [path for path, leaf, label in each if label is None and leaf is not None]
        if rest:
            raise ValueError(f"label_by: no selector matches {', '.join(rest)}; give a default.")
        return treedef.unflatten(chosen)

    return labels


@dataclasses.dataclass(frozen=True)
class Assignment:
    """Which leaves each label of a partition holds; prints as a table.

    Attributes:
      groups: for each label its leaves, as path to shape; without those that are ``None``.
    """

    groups: Mapping[Hashable, Mapping[str, tuple[int, ...]]]

    def __str__(self) -> str:
        rows = []
        for label, leaves in self.groups.items():
            elements = sum(math.prod(shape) for shape in leaves.values())
            rows.append(f"{label}: {_trees.extent(len(leaves), elements)}")
            rows.extend(f"  {path}  {shape}" for path, shape in leaves.items())
        return "\n".join(rows)


def assignment(param_labels: Labels, params: PyTree) -> Assignment:
    """Which leaf goes to which label.

    Args:
      param_labels: as in :func:`partition`, or a partition itself, such as :func:`muon`.
      params: the parameter tree.

    Raises:
      ValueError: a transformation without groups; labels whose tree does not match.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> params = {"bias": jnp.ones(2), "kernel": jnp.ones((2, 3))}
    >>> print(ro.assignment({"bias": "plain", "kernel": "decay"}, params))
    plain: 1 leaf, 2 elements
      bias  (2,)
    decay: 1 leaf, 6 elements
      kernel  (2, 3)
    """
    if isinstance(param_labels, GradientTransformation):
        composition = param_labels.composition
        if composition is None or composition.narrow is None:
            raise ValueError(f"assignment: {param_labels!r} has no groups: it is no partition.")
        labels: Sequence[Hashable] = composition.labels
        trees = composition.narrow(params)
    else:
        each, _, treedef = split("assignment", "labels", resolve_mask(param_labels, params), params)
        labels = list(dict.fromkeys(each))
        masks = [treedef.unflatten([one == label for one in each]) for label in labels]
        trees = [keep(mask, params) for mask in masks]
    groups = {label: _shapes(tree) for label, tree in zip(labels, trees, strict=True)}
    return Assignment({label: leaves for label, leaves in groups.items() if leaves})


def _shapes(tree: PyTree) -> dict[str, tuple[int, ...]]:
    leaves = zip(_trees.leaf_paths(tree), _trees.flatten(tree)[0], strict=True)
    return {path: jnp.shape(leaf) for path, leaf in leaves if leaf is not None}


def partition(
    transforms: Mapping[Hashable, optax.GradientTransformation],
    param_labels: Labels,
    *,
    mask_compatible_extra_args: bool = False,
    all_used: bool = True,
) -> GradientTransformation:
    """Apply a different transformation to each group of parameters.

    Args:
      transforms: a label to the transformation of its group.
      param_labels: labels in the structure of the parameters or a prefix of it, or a
        function of the parameters that returns them, such as :func:`label_by`.
        :func:`assignment` prints who goes where.
      mask_compatible_extra_args: as in :func:`masked`.
      all_used: refuse parameters that leave a transformation without any.

    Raises:
      ValueError: (from ``init``) a label has no transformation, or a transformation
        no parameters; lists what exists. The labels do not match the parameters; by path.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> params = {"bias": jnp.ones(2), "kernel": jnp.ones((2, 3))}
    >>> tx = ro.partition(
    ...     {"decay": ro.adamw(1e-3), "plain": ro.adam(1e-3)},
    ...     ro.label_by({"decay": ro.select(ndim=2)}, default="plain"),
    ... )
    >>> sorted(tx.init(params).inner_states)
    ['decay', 'plain']
    """
    keys = tuple(transforms)
    parts = tuple(adopt(tx) for tx in transforms.values())

    def masks(tree: PyTree) -> list[PyTree]:
        if not _trees.flatten(tree)[0]:
            return [True] * len(keys)
        labels, _, treedef = split("partition", "labels", resolve_mask(param_labels, tree), tree)
        return [
            treedef.unflatten([None if label is None else label == key for label in labels])
            for key in keys
        ]

    def groups(tree: PyTree) -> list[GradientTransformation]:
        return [
            masked(part, mask, mask_compatible_extra_args=mask_compatible_extra_args)
            for part, mask in zip(parts, masks(tree), strict=True)
        ]

    def check(params: PyTree) -> None:
        who = assignment(param_labels, params)
        used = set(who.groups) - {None}
        exists = f"The parameters are labelled\n{who}\nand the transformations {list(keys)}."
        if not used <= set(keys):
            names = sorted(map(str, used - set(keys)))
            raise ValueError(f"partition: no transformation for the label(s) {names}. {exists}")
        if all_used and not set(keys) <= used and not _trees.has_masked_nodes(params):
            names = sorted(map(str, set(keys) - used))
            raise ValueError(f"partition: no parameter has the label(s) {names}. {exists}")

    def init(params: PyTree) -> optax.PartitionState:
        each = zip(keys, groups(params), strict=True)
        if _trees.flatten(params)[0]:
            check(params)
        return optax.PartitionState({key: group.init(params) for key, group in each})

    def update(
        updates: PyTree, state: optax.PartitionState, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, optax.PartitionState]:
        after = {}
        each = groups(updates if params is None else params)
        for key, group in zip(keys, each, strict=True):
            updates, after[key] = group.update(updates, state.inner_states[key], params, **extra)
        return updates, optax.PartitionState(after)

    def metric(state: optax.PartitionState, params: PyTree) -> PyTree:
        of_all = product_metric(groups(params), lambda s: [s.inner_states[key] for key in keys])
        assert of_all is not None
        return of_all(state, params)

    def states(state: optax.PartitionState) -> tuple[Any, ...]:
        return tuple(state.inner_states[key].inner_state for key in keys)

    def rebuild(new: Sequence[GradientTransformation]) -> GradientTransformation:
        return partition(
            dict(zip(keys, new, strict=True)),
            param_labels,
            mask_compatible_extra_args=mask_compatible_extra_args,
            all_used=all_used,
        )

    return GradientTransformation(
        init,
        update,
        name="partition",
        hyperparams={"param_labels": param_labels},
        role="composite",
        elementwise=all(part.elementwise for part in parts),
        metric=metric if all(part.metric is not None for part in parts) else None,
        composition=Composition(
            parts,
            tuple(map(str, keys)),
            states,
            rebuild,
            narrow=lambda tree: [keep(mask, tree) for mask in masks(tree)],
        ),
    )


multi_transform = partition
