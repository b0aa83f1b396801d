"""Partitions: each leaf to the transformation that its label names."""

import dataclasses
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import optax

from regopt_jax._core import (
    GradientTransformation,
    PyTree,
    as_transformation,
    matching,
    trees,
    wrap,
)
from regopt_jax._core.decorator import transformation
from regopt_jax._core.derived import seen
from regopt_jax._core.made import described
from regopt_jax._core.modes import Mode
from regopt_jax._core.nature import Lens, Wrapper
from regopt_jax._core.tolerance import strict
from regopt_jax._core.walk import walk
from regopt_jax.combine.choices import assigned, keep
from regopt_jax.combine.masked import side_by_side
from regopt_jax.combine.select import Selector

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
        leaves, treedef = trees.flatten(params)
        columns = [trees.flatten(selector(params))[0] for selector in selectors.values()]
        chosen = [
            next((label for label, on in zip(selectors, row, strict=True) if on), default)
            for row in zip(*columns, strict=True)
        ]
        each = zip(trees.leaf_paths(params), leaves, chosen, strict=True)
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
            rows.append(f"{label}: {trees.extent(len(leaves), elements)}")
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
        found = next((x for x in walk(param_labels, None, params) if _has_groups(x.tx)), None)
        if found is None:
            raise ValueError(f"assignment: {param_labels!r} has no groups: it is no partition.")
        nature = found.tx.nature
        assert isinstance(nature, Wrapper)
        labels: Sequence[Hashable] = nature.names
        narrowed = seen(nature, found.params)
    else:
        each, _, treedef = assigned("assignment", "labels", param_labels, params)
        labels = list(dict.fromkeys(each))
        masks = [treedef.unflatten([one == label for one in each]) for label in labels]
        narrowed = [keep(mask, params) for mask in masks]
    groups = {label: _shapes(tree) for label, tree in zip(labels, narrowed, strict=True)}
    return Assignment({label: leaves for label, leaves in groups.items() if leaves})


def _has_groups(tx: GradientTransformation) -> bool:
    return isinstance(tx.nature, Wrapper) and tx.nature.selects and len(tx.parts) > 1


def _shapes(tree: PyTree) -> dict[str, tuple[int, ...]]:
    leaves = zip(trees.leaf_paths(tree), trees.flatten(tree)[0], strict=True)
    return {path: jnp.shape(leaf) for path, leaf in leaves if leaf is not None}


@transformation()
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
      TypeError: ``transforms`` is no mapping.
      ValueError: (from ``init``) a label has no transformation, or a transformation
        no parameters; lists what exists. The labels do not match the parameters, or a parameter
        has none; by path.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> params = {"bias": jnp.ones(2), "kernel": jnp.ones((2, 3))}
    >>> tx = ro.partition(
    ...     {"decay": ro.adamw(1e-3), "plain": ro.adam(1e-3)},
    ...     ro.label_by({"decay": ro.select(ndim=2)}, default="plain"),
    ... )
    >>> sorted(tx.init(params).inner_states)
    ['decay', 'plain']
    """
    if not isinstance(transforms, Mapping):
        raise TypeError(
            "partition: transforms must be a mapping from labels to transformations, such as "
            f'{{"decay": adamw(1e-3)}}, got {transforms!r}.'
        )
    keys = tuple(transforms)
    all_used = all_used and strict()
    parts = tuple(map(as_transformation, transforms.values()))

    def masks(tree: PyTree) -> list[PyTree]:
        if not trees.flatten(tree)[0]:
            return [True] * len(keys)
        labels, _, treedef = assigned("partition", "labels", param_labels, tree)
        return [
            treedef.unflatten([None if label is None else label == key for label in labels])
            for key in keys
        ]

    def sees(tree: PyTree) -> list[PyTree]:
        return [keep(mask, tree) for mask in masks(tree)]

    def check(params: PyTree) -> None:
        who = assignment(param_labels, params)
        used = set(who.groups) - {None}
        exists = f"The parameters are labelled\n{who}\nand the transformations {list(keys)}."
        if not used <= set(keys):
            names = sorted(map(str, used - set(keys)))
            raise ValueError(f"partition: no transformation for the label(s) {names}. {exists}")
        if all_used and not set(keys) <= used and not trees.has_masked_nodes(params):
            names = sorted(map(str, set(keys) - used))
            raise ValueError(f"partition: no parameter has the label(s) {names}. {exists}")

    def states(state: optax.PartitionState) -> tuple[Any, ...]:
        return tuple(state.inner_states[key].inner_state for key in keys)

    def joined(_: Any, inner: Sequence[Any]) -> optax.PartitionState:
        pairs = zip(keys, inner, strict=True)
        return optax.PartitionState({key: optax.MaskedState(state) for key, state in pairs})

    def init(params: PyTree) -> optax.PartitionState:
        inner = [part.init(tree) for part, tree in zip(parts, sees(params), strict=True)]
        if trees.flatten(params)[0]:
            check(params)
        return joined(None, inner)

    def run(
        mode: Mode, updates: PyTree, state: optax.PartitionState, params: PyTree | None, extra: Any
    ) -> tuple[Any, optax.PartitionState]:
        if params is not None:
            matching.align("partition", "parameters", params, updates, trees.flatten(updates)[1])
        own = masks(updates if params is None else params)
        narrow = mask_compatible_extra_args
        out, inner = side_by_side(parts, own, mode, updates, states(state), params, extra, narrow)
        return out, joined(None, inner)

    return wrap(
        *parts,
        init=init,
        run=run,
        lens=Lens(states, joined),
        names=tuple(map(str, keys)),
        sees=sees,
        selects=True,
        selection=None if callable(param_labels) else param_labels,
        metric="inner",
    )


multi_transform = partition
