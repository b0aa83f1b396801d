"""The lift from one array to a tree: maths is written once, on one array."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from regopt_jax import _hyperparams, _packed, _trees
from regopt_jax._core import EMPTY, GradientTransformation, Role
from regopt_jax._layout import laid_out_like
from regopt_jax._trees import PyTree


class Step(NamedTuple):
    """What an update knows beyond one leaf.

    Attributes:
      count: int32 scalar, the number of updates before this one; ``None`` when
        the state has no counter.
      updates: the whole incoming tree; ``None`` when the metric is asked for.
      params: the whole parameter tree, or ``None``.
      state: the state before; after, when the metric is asked for.
    """

    count: Any
    updates: PyTree | None
    params: PyTree | None
    state: Any = None


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
    scalars: Mapping[str, Callable[[PyTree], Any]] = EMPTY,
    advance: Callable[..., Mapping[str, Any]] | None = None,
    metric: Callable[..., Any] | None = None,
    needs_params: bool = False,
    elementwise: bool = True,
    counter: str = "count",
    real: bool = False,
    keep_dtype: bool = False,
) -> GradientTransformation:
    """Lift the maths of one array to a gradient transformation on trees.

    Args:
      update: ``update(g, *slots[, p][, context]) -> u`` or ``(u, *slots)``, on one
        array ``g`` and its slots of state.
      name: the public function's name, for errors and descriptions.
      role: see :class:`GradientTransformation`.
      hyperparams: see :class:`GradientTransformation`.
      state: a NamedTuple class. Its field ``counter``, if any, counts updates; every
        other field holds one slot a leaf, an array or a list of arrays, or is one of
        the ``scalars``.
      init: ``init(p) -> slot`` or a tuple of them, one for each field.
      context: what depends on the step or on the whole tree, computed once:
        a function of :class:`Step` whose result ``update`` gets last.
      scalars: the fields of one value for the whole tree, and their functions of the
        parameters that ``init`` calls.
      advance: ``advance(step[, context])``, the new values of scalars, by field; those
        not named stay.
      metric: ``metric(*slots[, p][, context])`` on one array, the positive diagonal
        that ``update`` divides by.
      needs_params: ``update`` and ``metric`` get the parameter ``p`` too.
      elementwise: see :class:`GradientTransformation`.
      counter: the name of the field that counts updates.
      real: complex parameters are refused: ``update`` orders numbers, or is not defined.
      keep_dtype: the update has the dtype of its gradient, also where a slot is wider.

    The arithmetic runs in the widest dtype of its inputs; a slot keeps the dtype
    that ``init`` gave it.

    Raises:
      TypeError: (from ``init``) a parameter has no gradient, by path; (from ``update``) the
        state is of another transformation.
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
    fields = state._fields
    slots_of = [field for field in fields if field != counter and field not in scalars]
    counts = counter in fields

    def make_state(count: Any, slots: Sequence[PyTree], of_tree: Mapping[str, Any]) -> Any:
        values = dict(zip(slots_of, slots, strict=True))
        return state(**({counter: count} if counts else {}), **values, **of_tree)

    def advanced(step: Step, extras: tuple[Any, ...]) -> dict[str, Any]:
        new = {} if advance is None else advance(step, *extras)
        old = {field: getattr(step.state, field) for field in scalars}
        return old | {k: jnp.asarray(v).astype(jnp.asarray(old[k]).dtype) for k, v in new.items()}

    def transpose(rows: Sequence[tuple[Any, ...]], treedef: Any) -> list[PyTree]:
        return [treedef.unflatten([row[i] for row in rows]) for i in range(len(slots_of))]

    def init_fn(params: PyTree) -> Any:
        _trees.check_inexact(name, params)
        if real:
            _trees.check_real(name, params)
        if not elementwise:
            _packed.refuse(name, params)
        leaves, treedef = _trees.flatten(params)
        empty = (None,) * len(slots_of)
        rows = [empty if p is None or init is None else _as_tuple(init(p)) for p in leaves]
        of_tree = {field: make(params) for field, make in scalars.items()}
        return make_state(jnp.zeros([], jnp.int32), transpose(rows, treedef), of_tree)

    def columns(old: Any, tree: PyTree, treedef: Any) -> list[tuple[Any, ...]]:
        if not isinstance(old, state):
            raise TypeError(
                f"{name}: the state is a {type(old).__name__}, not the {state.__name__} that "
                "`init` returns. Pass the state that `init` or the last `update` returned."
            )
        fields = [_trees.align(name, "state", getattr(old, f), tree, treedef) for f in slots_of]
        return list(zip(*fields, strict=True)) if fields else [()] * treedef.num_leaves

    def on_one_leaf(g: Any, row: tuple[Any, ...], p: Any, extras: tuple[Any, ...]) -> Any:
        inputs = jax.tree.map(jnp.asarray, (g, *row, *([p] if needs_params else [])))
        arrays = jax.tree.leaves(inputs)
        with jax.numpy_dtype_promotion("standard"):
            wide = jnp.result_type(*arrays) if len(arrays) > 1 else arrays[0].dtype
        inputs = jax.tree.map(lambda x: x.astype(wide), inputs)
        with promoting(inputs[0]):
            u, *new = _as_tuple(update(*inputs, *extras))
        u = u.astype(g.dtype) if keep_dtype else u
        return (u, *jax.tree.map(lambda n, o: n.astype(jnp.asarray(o).dtype), tuple(new), row))

    def check_slots(tree: PyTree, leaves: list[Any], rows: list[tuple[Any, ...]]) -> None:
        for index, (g, row) in enumerate(zip(leaves, rows, strict=True)):
            if g is None or init is None:
                continue
            own = jax.tree.leaves(jax.eval_shape(init, g))
            if [x.shape for x in own] != [jnp.shape(x) for x in jax.tree.leaves(row)]:
                raise ValueError(
                    f"{name}: the leaf at '{_trees.leaf_paths(tree)[index]}' has shape "
                    f"{jnp.shape(g)}, which is not that of the parameter `init` got."
                )

    on_one_leaf.__name__ = name
    kernel = jax.jit(on_one_leaf)

    def update_fn(
        updates: PyTree, old: Any, params: PyTree | None = None, **_: Any
    ) -> tuple[PyTree, Any]:
        leaves, treedef = _trees.flatten(updates)
        rows = columns(old, updates, treedef)
        if not isinstance(updates, optax.LookaheadParams):
            params = _trees.fast(params)
        if params is not None:
            ps = _trees.align(name, "parameters", params, updates, treedef)
        elif needs_params:
            raise _trees.params_needed(name, updates)
        if needs_params:
            _trees.check_shapes(name, "parameter", updates, leaves, ps)
        else:
            ps = [None] * len(leaves)
        if elementwise:
            for i, slot in enumerate(slots_of):
                _trees.check_shapes(name, slot, updates, leaves, [row[i] for row in rows])
        else:
            check_slots(updates, leaves, rows)
        count = getattr(old, counter) if counts else None
        step = Step(count, updates, params, old)
        extras = () if context is None else (context(step),)

        def on(g: Any, row: tuple[Any, ...], p: Any) -> Any:
            run = kernel if elementwise else laid_out_like((g, *row), kernel)
            return run(g, row, p, extras)

        results = [
            (None, *row) if g is None else on(g, row, p)
            for g, row, p in zip(leaves, rows, ps, strict=True)
        ]
        out = treedef.unflatten([result[0] for result in results])
        slots = transpose([result[1:] for result in results], treedef)
        count = optax.safe_increment(count) if counts else None
        return out, make_state(count, slots, advanced(step, extras))

    def metric_fn(new: Any, params: PyTree) -> PyTree:
        assert metric is not None
        leaves, treedef = _trees.flatten(params)
        count = _hyperparams.previous(getattr(new, counter)) if counts else None
        extras = () if context is None else (context(Step(count, None, params, new)),)
        rows = columns(new, params, treedef)

        def one(p: Any, row: tuple[Any, ...]) -> Any:
            if p is None:
                return None
            with promoting(p):
                d = metric(*row, *([p] if needs_params else []), *extras)
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
