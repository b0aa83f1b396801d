"""The protocol, and the lift from one array to a tree.

A gradient transformation is Optax's pair of pure functions,

    init(params) -> state,        update(updates, state, params) -> (updates, state).

Here the pair also carries a description of itself as data, which placing a
regulariser, the proximal map and reading the learning rate all work from.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from regopt_jax import _hyperparams, _packed, _trees
from regopt_jax._trees import PyTree

Role = Literal["gradient", "precondition", "step_size", "regularizer", "composite", "unknown"]
Metric = Callable[[Any, PyTree], PyTree]
EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Composition:
    """How a transformation is made of others.

    Attributes:
      parts: the others, in the order in which they run.
      labels: what each is called within the whole.
      states: the parts' own states, from the state of the whole.
      rebuild: the same composition of other parts.
      sequential: a chain: each part works on what the one before it returned.
      gate: the whole may hold a step back and return zero updates.
    """

    parts: tuple["GradientTransformation", ...]
    labels: tuple[str, ...]
    states: Callable[[Any], tuple[Any, ...]]
    rebuild: Callable[[Sequence["GradientTransformation"]], "GradientTransformation"]
    sequential: bool = False
    gate: bool = False


class GradientTransformation(optax.GradientTransformationExtraArgs):
    """Optax's ``(init, update)`` pair that also says what it is.

    Attributes:
      name: the name of the function that made it.
      hyperparams: its hyperparameters by name; a value may be a schedule.
      role: what it works on: the ``gradient`` (clipping), the direction of the
        step (``precondition``: moments, signs), the ``step_size``, a
        ``regularizer`` added to either, or a ``composite`` of others.
      elementwise: whether each output element depends on the same element of
        the inputs and on scalars only.
      metric: ``metric(state, params)``, with the state *after* an update, is the
        positive diagonal that this update divided by: a tree like ``params`` of
        arrays that broadcast to its leaves. ``None`` where there is none.
      composition: the parts, for a transformation made of others.
      in_place: how :meth:`step` runs, where that is not ``update`` and adding.
    """

    name: str
    hyperparams: Mapping[str, Any]
    role: Role
    elementwise: bool
    metric: Metric | None
    composition: Composition | None
    in_place: Callable[..., tuple[PyTree, Any]] | None

    def __new__(
        cls,
        init: Callable[..., Any],
        update: Callable[..., Any],
        *,
        name: str = "",
        hyperparams: Mapping[str, Any] = EMPTY,
        role: Role = "unknown",
        elementwise: bool = False,
        metric: Metric | None = None,
        composition: Composition | None = None,
        in_place: Callable[..., tuple[PyTree, Any]] | None = None,
    ) -> "GradientTransformation":
        self = super().__new__(cls, init, update)
        self.name = name
        self.hyperparams = dict(hyperparams)
        self.role = role
        self.elementwise = elementwise
        self.metric = metric
        self.composition = composition
        self.in_place = in_place
        return self

    def step(
        self, grads: PyTree, state: Any, params: PyTree, **extra_args: Any
    ) -> tuple[PyTree, Any]:
        """The new parameters and state: ``update``, then ``apply_updates``.

        A transformation that may hold a step back, such as ``accumulate``, then touches
        neither, instead of adding zeros.
        """
        if self.in_place is not None:
            return self.in_place(grads, state, params, **extra_args)
        updates, state = self.update(grads, state, params, **extra_args)
        return _trees.apply_updates(params, updates), state

    @property
    def parts(self) -> tuple["GradientTransformation", ...]:
        """The transformations this one is made of, in order; empty for a primitive."""
        return self.composition.parts if self.composition else ()

    def named(self, name: str, **hyperparams: Any) -> "GradientTransformation":
        """The same transformation under the name (and hyperparameters) of what it implements."""
        described = {k: v for k, v in vars(self).items() if k not in ("name", "hyperparams")}
        return type(self)(*self, name=name, hyperparams=hyperparams, **described)

    def __repr__(self) -> str:
        given = [f"{key}={value!r}" for key, value in self.hyperparams.items()]
        return f"{self.name}({', '.join([*given, *map(repr, self.parts)])})"


def adopt(tx: optax.GradientTransformation) -> GradientTransformation:
    """Any transformation of the protocol as one of ours, with what is known of it.

    Raises:
      TypeError: ``tx`` is not an ``(init, update)`` pair.
    """
    if isinstance(tx, GradientTransformation):
        return tx
    if not isinstance(tx, optax.GradientTransformation):
        raise TypeError(
            f"Expected a gradient transformation (an (init, update) pair), got {tx!r}. "
            "Did you forget to call the function that makes it?"
        )
    maker = getattr(tx.update, "__qualname__", "unknown").split(".")[0]
    return GradientTransformation(*optax.with_extra_args_support(tx), name=maker)


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
