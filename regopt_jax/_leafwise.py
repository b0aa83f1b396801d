"""The lift from one array to a tree: maths is written once, on one array."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from regopt_jax import _hyperparams, _packed, _trees
from regopt_jax._core import EMPTY, GradientTransformation, Role
from regopt_jax._trees import PyTree


class Step(NamedTuple):
    """What an update knows beyond one leaf.

    Attributes:
      count: int32 scalar, the number of updates before this one; ``None`` when
        the state has no counter.
      updates: the whole incoming tree; ``None`` when the metric is asked for.
      params: the whole parameter tree, or ``None``.
    """

    count: Any
    updates: PyTree | None
    params: PyTree | None


def unit_metric(*_: Any) -> float:
    """The metric of a transformation that rescales no coordinate."""
    return 1.0


def promoting(x: Any) -> contextlib.AbstractContextManager[Any]:
    """Implicit promotion, if x is complex: its moduli and the scalars it meets are real."""
    if jnp.iscomplexobj(x):
        return jax.numpy_dtype_promotion("standard")
    return contextlib.nullcontext()


def _as_tuple(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)


def leafwise(
    update: Callable[..., Any],
    *,
    name: str,
    role: Role,
    hyperparams: Mapping[str, Any] = EMPTY,
    state: type[Any] = optax.EmptyState,
    init: Callable[..., Any] | None = None,
    context: Callable[[Step], Any] | None = None,
    metric: Callable[..., Any] | None = None,
    needs_params: bool = False,
    elementwise: bool = True,
) -> GradientTransformation:
    """Lift the maths of one array to a gradient transformation on trees.

    Args:
      update: ``update(g, *slots[, p][, context]) -> u`` or ``(u, *slots)``, on one
        array ``g`` and its slots of state.
      name: the public function's name, for errors and descriptions.
      role: see :class:`GradientTransformation`.
      hyperparams: see :class:`GradientTransformation`.
      state: a NamedTuple class. Its field ``count``, if any, counts updates; every
        other field holds one slot a leaf.
      init: ``init(p) -> slot`` or a tuple of them, one for each field.
      context: what depends on the step or on the whole tree, computed once:
        a function of :class:`Step` whose result ``update`` gets last.
      metric: ``metric(*slots[, context])`` on one array, the positive diagonal
        that ``update`` divides by.
      needs_params: ``update`` gets the parameter ``p`` too.
      elementwise: see :class:`GradientTransformation`.

    The arithmetic runs in the widest dtype of its inputs; a slot keeps the dtype
    that ``init`` gave it.
    """
    fields = state._fields
    slots_of = [field for field in fields if field != "count"]
    counts = "count" in fields

    def make_state(count: Any, slots: Sequence[PyTree]) -> Any:
        values = dict(zip(slots_of, slots, strict=True))
        return state(**({"count": count} if counts else {}), **values)

    def transpose(rows: Sequence[tuple[Any, ...]], treedef: Any) -> list[PyTree]:
        return [treedef.unflatten([row[i] for row in rows]) for i in range(len(slots_of))]

    def init_fn(params: PyTree) -> Any:
        _trees.check_inexact(name, params)
        if not elementwise:
            _packed.refuse(name, params)
        leaves, treedef = _trees.flatten(params)
        empty = (None,) * len(slots_of)
        rows = [empty if p is None or init is None else _as_tuple(init(p)) for p in leaves]
        return make_state(jnp.zeros([], jnp.int32), transpose(rows, treedef))

    def columns(old: Any, tree: PyTree, treedef: Any) -> list[tuple[Any, ...]]:
        if not isinstance(old, state):
            raise TypeError(
                f"{name}: the state is a {type(old).__name__}, not the {state.__name__} that "
                "`init` returns. Pass the state that `init` or the last `update` returned."
            )
        fields = [_trees.align(name, "state", getattr(old, f), tree, treedef) for f in slots_of]
        return list(zip(*fields, strict=True)) if fields else [()] * treedef.num_leaves

    def on_one_leaf(g: Any, row: tuple[Any, ...], p: Any, extras: tuple[Any, ...]) -> Any:
        arrays = [jnp.asarray(x) for x in (g, *row, *([p] if needs_params else []))]
        with jax.numpy_dtype_promotion("standard"):
            wide = jnp.result_type(*arrays) if len(arrays) > 1 else arrays[0].dtype
        arrays = [x.astype(wide) for x in arrays]
        with promoting(arrays[0]):
            u, *new = _as_tuple(update(*arrays, *extras))
        return (u, *(n.astype(jnp.asarray(o).dtype) for n, o in zip(new, row, strict=True)))

    on_one_leaf.__name__ = name
    kernel = jax.jit(on_one_leaf)

    def update_fn(
        updates: PyTree, old: Any, params: PyTree | None = None, **_: Any
    ) -> tuple[PyTree, Any]:
        leaves, treedef = _trees.flatten(updates)
        rows = columns(old, updates, treedef)
        ps = [None] * len(leaves)
        if needs_params:
            if params is None:
                raise _trees.params_needed(name, updates)
            ps = _trees.align(name, "parameters", params, updates, treedef)
            _trees.check_shapes(name, "parameter", updates, leaves, ps)
        if elementwise:
            for i, slot in enumerate(slots_of):
                _trees.check_shapes(name, slot, updates, leaves, [row[i] for row in rows])
        count = old.count if counts else None
        extras = () if context is None else (context(Step(count, updates, params)),)

        results = [
            (None, *row) if g is None else kernel(g, row, p, extras)
            for g, row, p in zip(leaves, rows, ps, strict=True)
        ]
        out = treedef.unflatten([result[0] for result in results])
        slots = transpose([result[1:] for result in results], treedef)
        return out, make_state(optax.safe_increment(count) if counts else None, slots)

    def metric_fn(new: Any, params: PyTree) -> PyTree:
        assert metric is not None
        leaves, treedef = _trees.flatten(params)
        count = _hyperparams.previous(new.count) if counts else None
        extras = () if context is None else (context(Step(count, None, params)),)
        rows = columns(new, params, treedef)

        def one(p: Any, row: tuple[Any, ...]) -> Any:
            if p is None:
                return None
            with promoting(p):
                d = metric(*row, *extras)
            return d.real if jnp.iscomplexobj(d) else d

        return treedef.unflatten(list(map(one, leaves, rows)))

    return GradientTransformation(
        init_fn,
        update_fn,
        name=name,
        hyperparams=hyperparams,
        role=role,
        elementwise=elementwise,
        metric=None if metric is None else metric_fn,
    )
