"""The lift from one array to a tree: maths is written once, on one array.

``leafwise`` gives one formula to every leaf of a tree. What depends on the step alone, or on the
whole tree, is computed once, as ``context``; what belongs to a leaf but is no slot of its state (a
key, which axes are a matrix) comes from ``each``. A leaf of ``None`` has no gradient: its slots
stay as they are; ``optax.MaskedNode`` is no leaf. A packed tree is a tree of few long leaves: what
is elementwise needs to know no more, and a mask is one value a buffer.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from regopt_jax._core import arithmetic, matching, trees
from regopt_jax._core.made import Made, maker
from regopt_jax._core.nature import OF_OPTAX, Masks, Role, Rule
from regopt_jax._core.promotion import slots_as_promoted
from regopt_jax._core.protocol import GradientTransformation, primitive
from regopt_jax._core.schedule import previous
from regopt_jax._core.sharding import sharded_like
from regopt_jax._core.tolerance import strict
from regopt_jax._core.trees import PyTree

EMPTY: Mapping[str, Any] = {}


class Step(NamedTuple):
    """What an update knows beyond one leaf.

    Attributes:
      count: int32 scalar, the number of updates before this one; ``None`` when the state has
        no counter.
      updates: the whole incoming tree; ``None`` after the update.
      params: the whole parameter tree, or ``None``.
      state: the state before the update; after it, the new one.
      extra: the extra arguments of ``update``, such as ``value``; none after it.
      after: whether the update is done, and what it divided by is asked for.
    """

    count: Any
    updates: PyTree | None
    params: PyTree | None
    state: Any = None
    extra: Mapping[str, Any] = EMPTY
    after: bool = False


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
    role: Role,
    name: str = "",
    hyperparams: Mapping[str, Any] = EMPTY,
    state: type[Any] = optax.EmptyState,
    init: Callable[..., Any] | None = None,
    context: Callable[[Step], Any] | None = None,
    each: Callable[[Step], Sequence[Any]] | None = None,
    scalars: Mapping[str, Callable[[PyTree], Any]] = EMPTY,
    advance: Callable[..., Mapping[str, Any]] | None = None,
    metric: Callable[..., Any] | None = None,
    factor: Callable[[Step], Any] | None = None,
    averages: Mapping[str, str] = EMPTY,
    nonnegative: Sequence[str] = (),
    masks: Masks | None = None,
    needs_params: bool = False,
    elementwise: bool = True,
    counter: str = "count",
    check: Callable[[str, PyTree], Any] | None = None,
    keep_dtype: bool = False,
    jitted: bool = True,
    keeps: Sequence[str] = (),
    of_any_dtype: bool = False,
) -> GradientTransformation:
    """Lift the maths of one array to a gradient transformation on trees.

    Args:
      update: ``update(g, *slots[, p][, own][, context]) -> u`` or ``(u, *slots)``, on one
        array ``g`` and its slots of state.
      role: see :class:`Rule`.
      name, hyperparams: for errors and descriptions; in a function under ``@transformation``
        they are the function's and its arguments.
      state: a NamedTuple class. Its field ``counter``, if any, counts updates; every
        other field holds one slot a leaf, an array or a list of arrays, or is one of
        the ``scalars``.
      init: ``init(p) -> slot`` or a tuple of them, one for each field; an array that it returns
        twice, or that is ``p``, is copied, so that the state may be donated.
      context: what depends on the step or on the whole tree, computed once:
        a function of :class:`Step` whose result ``update`` gets last.
      each: what belongs to each leaf, ``own``: from :class:`Step` to one value a leaf, in their
        order. Arrays are traced; anything else is compiled in and must be hashable.
      scalars: the fields of one value for the whole tree, and their functions of the
        parameters that ``init`` calls.
      advance: ``advance(step[, context])``, the new values of scalars, by field; those
        not named stay.
      metric: ``metric(*slots[, p][, context])`` on one array, the positive diagonal
        that ``update`` divides by.
      factor: the signed number that an update multiplies by; where it is not given, for the
        role ``step_size``, what ``update`` makes of 1.
      averages, masks: see :class:`Rule`.
      nonnegative: the fields that are never negative; of Optax's states they are known.
      needs_params: ``update`` and ``metric`` get the parameter ``p`` too.
      elementwise: see :class:`Rule`.
      counter: the name of the field that counts updates.
      check: ``check(name, params)`` refuses parameters, by path.
      keep_dtype: the update has the dtype of its gradient, also where a slot is wider.
      jitted: outside ``jit`` a leaf is one program; otherwise it is run operation by operation,
        whose bits are those of a formula that is written so.
      keeps: the fields whose slots keep their dtype also where Optax's face lets promotion
        decide; see :mod:`regopt_jax._core.promotion`.
      of_any_dtype: updates of integers are taken too.

    The arithmetic runs in the widest dtype of its inputs, but for float16, whose smallest number
    is above the usual ε, in float32; a slot keeps the dtype that ``init`` gave it.

    Raises:
      TypeError: (from ``update``) a gradient is of integers, by path; the state is of another
        transformation.
      ValueError: (from ``update``) a tree or a shape differs from what ``init`` got, or a tree
        from the parameters', by path; the parameters are needed and missing.

    >>> import jax.numpy as jnp, optax
    >>> tx = leafwise(
    ...     lambda g, m: (0.9 * m + g, 0.9 * m + g),
    ...     name="heavy_ball",
    ...     role="precondition",
    ...     state=optax.TraceState,
    ...     init=jnp.zeros_like,
    ... )
    >>> w = {"w": jnp.array([1.0, -2.0])}
    >>> tx.update(w, tx.init(w))[1]
    TraceState(trace={'w': Array([ 1., -2.], dtype=float32)})
    """
    name = name or maker() or getattr(update, "__name__", "leafwise")
    slots_of = [field for field in state._fields if field != counter and field not in scalars]
    counts = counter in state._fields
    lenient, promoted = not strict(), slots_as_promoted(init, slots_of, keeps)

    def make_state(count: Any, slots: Sequence[PyTree], of_tree: Mapping[str, Any]) -> Any:
        values = dict(zip(slots_of, slots, strict=True))
        return state(**({counter: count} if counts else {}), **values, **of_tree)

    def advanced(step: Step, extras: tuple[Any, ...]) -> dict[str, Any]:
        new = {} if advance is None else advance(step, *extras)
        old = {field: getattr(step.state, field) for field in scalars}
        return old | {
            field: arithmetic.in_dtype_of(old[field], value) for field, value in new.items()
        }

    def transpose(rows: Sequence[tuple[Any, ...]], treedef: Any) -> list[PyTree]:
        return [treedef.unflatten([row[i] for row in rows]) for i in range(len(slots_of))]

    def init_fn(params: PyTree) -> Any:
        if check is not None:
            check(name, params)
        leaves, treedef = trees.flatten(params)
        empty = (None,) * len(slots_of)
        rows = [empty if p is None or init is None else _as_tuple(init(p)) for p in leaves]
        rows = trees.unshared(rows, leaves)
        of_tree = {field: make(params) for field, make in scalars.items()}
        return make_state(jnp.zeros([], jnp.int32), transpose(rows, treedef), of_tree)

    def columns(old: Any, tree: PyTree, treedef: Any) -> list[tuple[Any, ...]]:
        if not isinstance(old, state):
            if lenient and state is optax.EmptyState:
                return [()] * treedef.num_leaves
            raise TypeError(
                f"{name}: the state is a {type(old).__name__}, not the {state.__name__} that "
                "`init` returns. Pass the state that `init` or the last `update` returned."
            )
        fields = [matching.align(name, "state", getattr(old, f), tree, treedef) for f in slots_of]
        return list(zip(*fields, strict=True)) if fields else [()] * treedef.num_leaves

    def on_one_leaf(
        g: Any, row: tuple[Any, ...], p: Any, traced: Any, extras: Any, fixed: Any = ()
    ) -> Any:
        inputs = jax.tree.map(jnp.asarray, (g, *row, *([p] if needs_params else [])))
        if lenient:
            with jax.numpy_dtype_promotion("standard"):
                u, *new = _as_tuple(update(*inputs, *traced, *fixed, *extras))
            return (u, *promoted(jnp.shape(g), row, tuple(new)))
        arrays = jax.tree.leaves(inputs)
        with jax.numpy_dtype_promotion("standard"):
            wide = jnp.result_type(*arrays) if len(arrays) > 1 else arrays[0].dtype
        inputs = jax.tree.map(lambda x: x.astype(arithmetic.widened(wide)), inputs)
        with promoting(inputs[0]):
            u, *new = _as_tuple(update(*inputs, *traced, *fixed, *extras))
        u = u.astype(g.dtype) if keep_dtype or jnp.result_type(g) == jnp.float16 else u
        return (u, *jax.tree.map(lambda n, o: n.astype(jnp.asarray(o).dtype), tuple(new), row))

    def check_slots(tree: PyTree, leaves: list[Any], rows: list[tuple[Any, ...]]) -> None:
        for index, (g, row) in enumerate(zip(leaves, rows, strict=True)):
            if g is None or init is None:
                continue
            own = jax.tree.leaves(jax.eval_shape(init, g))
            if [x.shape for x in own] != [jnp.shape(x) for x in jax.tree.leaves(row)]:
                raise ValueError(
                    f"{name}: the leaf at '{trees.leaf_paths(tree)[index]}' has shape "
                    f"{jnp.shape(g)}, which is not that of the parameter `init` got."
                )

    on_one_leaf.__name__ = name
    kernel = jax.jit(on_one_leaf) if jitted else on_one_leaf
    kernel_with = jax.jit(on_one_leaf, static_argnums=5)  # a slower call than that without

    def update_fn(
        updates: PyTree, old: Any, params: PyTree | None = None, **extra_args: Any
    ) -> tuple[PyTree, Any]:
        if lenient and updates is None:
            return None, old
        leaves, treedef = trees.flatten(updates)
        rows = columns(old, updates, treedef)
        if params is not None and (needs_params or not lenient):
            ps = matching.align(name, "parameters", params, updates, treedef)
        elif needs_params:
            raise matching.params_needed(name, updates)
        if needs_params:
            matching.check_shapes(name, "parameter", updates, leaves, ps)
        else:
            ps = [None] * len(leaves)
        if lenient:
            pass
        elif elementwise:
            for i, slot in enumerate(slots_of):
                matching.check_shapes(name, slot, updates, leaves, [row[i] for row in rows])
        else:
            check_slots(updates, leaves, rows)
        count = getattr(old, counter) if counts else None
        step = Step(count, updates, params, old, extra_args)
        extras = () if context is None else (context(step),)
        owns = [()] * len(leaves) if each is None else [(own,) for own in each(step)]

        def on(g: Any, row: tuple[Any, ...], p: Any, own: tuple[Any, ...]) -> Any:
            traced, fixed = (own, ()) if _are_arrays(own) else ((), own)

            def with_fixed(*inputs: Any) -> Any:
                return kernel_with(*inputs, fixed)

            run = with_fixed if fixed else kernel
            run = run if elementwise else sharded_like((g, *row), run)
            return run(g, row, p, traced, extras)

        results = [
            (None, *((None,) * len(row) if lenient else row)) if g is None else on(g, row, p, own)
            for g, row, p, own in zip(leaves, rows, ps, owns, strict=True)
        ]
        out = treedef.unflatten([result[0] for result in results])
        if lenient and state is optax.EmptyState:
            return out, old
        slots = transpose([result[1:] for result in results], treedef)
        count = optax.safe_increment(count) if counts else None
        return out, make_state(count, slots, advanced(step, extras))

    def metric_fn(new: Any, params: PyTree) -> PyTree:
        assert metric is not None
        leaves, treedef = trees.flatten(params)
        count = previous(getattr(new, counter)) if counts else None
        step = Step(count, None, params, new, after=True)
        extras = () if context is None else (context(step),)
        rows = columns(new, params, treedef)

        def one(p: Any, row: tuple[Any, ...]) -> Any:
            if not arithmetic.is_inexact(p):
                return None
            with promoting(p):
                d = metric(*row, *([p] if needs_params else []), *extras)
            return d.real if jnp.iscomplexobj(d) else d

        return treedef.unflatten(list(map(one, leaves, rows)))

    def factor_fn(old: Any) -> Any:
        if not isinstance(old, state):
            columns(old, (), jax.tree.structure(()))
        step = Step(getattr(old, counter) if counts else None, None, None, old)
        if factor is not None:
            return factor(step)
        u = update(jnp.ones([]), *(() if context is None else (context(step),)))
        return _as_tuple(u)[0]

    measured = role == "step_size" and elementwise and not (slots_of or needs_params or each)
    rule = Rule(
        role,
        elementwise=elementwise,
        metric=None if metric is None else metric_fn,
        factor=factor_fn if factor is not None or measured else None,
        count=(lambda state: getattr(state, counter)) if counts else None,
        averages=averages,
        masks=masks,
        nonnegative=OF_OPTAX.union((state, field) for field in nonnegative),
    )
    made = Made(name, hyperparams)
    return primitive(init_fn, update_fn, rule, made, of_any_dtype=of_any_dtype)


def _are_arrays(tree: PyTree) -> bool:
    """Whether all leaves are arrays, and there are some."""
    leaves = jax.tree.leaves(tree)
    return bool(leaves) and all(isinstance(x, jax.Array | np.ndarray) for x in leaves)
