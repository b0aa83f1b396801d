"""Chains: one transformation after the other."""

import collections
import functools
import itertools
import operator
from collections.abc import Callable, Collection, Sequence
from typing import Any

import jax
import optax

from regopt_jax._core import Composition, GradientTransformation, Metric, adopt
from regopt_jax._trees import PyTree, ones


def product_metric(
    parts: Sequence[GradientTransformation], states: Callable[..., Any]
) -> Metric | None:
    """The metric of parts that divide one after the other; ``None`` if one has none."""
    metrics = [part.metric for part in parts]
    if any(metric is None for metric in metrics):
        return None

    def metric(state: Any, params: PyTree) -> PyTree:
        each = [m(s, params) for m, s in zip(metrics, states(state), strict=True) if m is not None]
        if not each:
            return ones(params)
        with jax.numpy_dtype_promotion("standard"):
            return jax.tree.map(lambda *ds: functools.reduce(operator.mul, ds), *each)

    return metric


def _run(
    parts: Sequence[GradientTransformation],
    updates: PyTree,
    states: Sequence[Any],
    params: PyTree | None,
    extra_args: dict[str, Any],
) -> tuple[PyTree, list[Any]]:
    after = []
    for part, state in zip(parts, states, strict=True):
        updates, state = part.update(updates, state, params, **extra_args)
        after.append(state)
    return updates, after


def _in_place(
    parts: Sequence[GradientTransformation], states: Callable[..., Any], join: Callable[..., Any]
) -> Callable[..., tuple[PyTree, Any]] | None:
    """The whole step of a chain whose last part takes its step in place."""
    if not parts or parts[-1].in_place is None:
        return None
    *before, last = parts

    def in_place(grads: PyTree, state: Any, params: PyTree, **extra: Any) -> Any:
        *earlier, own = states(state)
        updates, after = _run(before, grads, earlier, params, extra)
        params, own = last.step(updates, own, params, **extra)
        return params, join([*after, own])

    return in_place


def chain(*transformations: optax.GradientTransformation) -> GradientTransformation:
    """Apply transformations one after the other.

    Args:
      transformations: ours or Optax's; extra arguments of ``update`` reach all
        that take them. The state is the tuple of their states, as in Optax.

    Raises:
      TypeError: an argument is not a gradient transformation.
      ValueError: (from ``update``) the state has another number of parts.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.chain(ro.clip(1.0), ro.scale_by_learning_rate(0.5))
    >>> float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0])
    -0.5
    """
    parts = tuple(map(adopt, transformations))

    def init(params: PyTree) -> tuple[Any, ...]:
        return tuple(part.init(params) for part in parts)

    def states(state: Any) -> tuple[Any, ...]:
        if not isinstance(state, tuple | list) or len(state) != len(parts):
            is_tuple = isinstance(state, tuple | list)
            what = f"has {len(state)} parts" if is_tuple else f"is a {type(state).__name__}"
            raise ValueError(
                f"chain: the state {what} but the chain has {len(parts)} parts "
                f"({', '.join(part.name for part in parts)}). Pass the state that this "
                "chain's `init` or `update` returned."
            )
        return tuple(state)

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra_args: Any
    ) -> tuple[PyTree, tuple[Any, ...]]:
        updates, after = _run(parts, updates, states(state), params, extra_args)
        return updates, tuple(after)

    return GradientTransformation(
        init,
        update,
        name="chain",
        role="composite",
        in_place=_in_place(parts, states, tuple),
        elementwise=all(part.elementwise for part in parts),
        metric=product_metric(parts, states),
        composition=Composition(
            parts,
            tuple(part.name for part in parts),
            states,
            lambda new: chain(*new),
            sequential=True,
        ),
    )


def named_chain(
    *transformations: tuple[str, optax.GradientTransformation],
) -> GradientTransformation:
    """A :func:`chain` whose parts, and their states, have names.

    Args:
      transformations: pairs ``(name, transformation)``; the state is an ordered
        dict of their states by name, as in Optax.

    Raises:
      ValueError: two parts have the same name.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.named_chain(("clip", ro.clip(1.0)), ("step", ro.scale(-0.5)))
    >>> list(tx.init(jnp.array(0.0)))
    ['clip', 'step']
    """
    names = tuple(name for name, _ in transformations)
    repeated = [name for name, count in collections.Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"named_chain: the names must be unique, but {repeated} are repeated.")
    parts = tuple(adopt(tx) for _, tx in transformations)

    def init(params: PyTree) -> dict[str, Any]:
        return collections.OrderedDict(
            (name, part.init(params)) for name, part in zip(names, parts, strict=True)
        )

    def states(state: Any) -> tuple[Any, ...]:
        missing = [name for name in names if name not in state]
        if missing:
            raise ValueError(f"named_chain: the state has {list(state)} but lacks {missing}.")
        return tuple(state[name] for name in names)

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra_args: Any
    ) -> tuple[PyTree, dict[str, Any]]:
        updates, after = _run(parts, updates, states(state), params, extra_args)
        return updates, join(after)

    def join(after: Sequence[Any]) -> dict[str, Any]:
        return collections.OrderedDict(zip(names, after, strict=True))

    def rebuild(new: Sequence[GradientTransformation]) -> GradientTransformation:
        if len(new) == len(parts):
            return named_chain(*zip(names, new, strict=True))
        unused = dict(zip(names, parts, strict=True))
        taken = set(names)
        pairs = []
        for part in new:
            name = next((n for n, old in unused.items() if old is part), None)
            if name is None:
                name = _unique(part.name, taken)
                taken.add(name)
            unused.pop(name, None)
            pairs.append((name, part))
        return named_chain(*pairs)

    return GradientTransformation(
        init,
        update,
        name="named_chain",
        role="composite",
        in_place=_in_place(parts, states, join),
        elementwise=all(part.elementwise for part in parts),
        metric=product_metric(parts, states),
        composition=Composition(parts, names, states, rebuild, sequential=True),
    )


def _unique(name: str, taken: Collection[str]) -> str:
    later = (f"{name}.{i}" for i in itertools.count(1))
    return next(n for n in itertools.chain([name], later) if n not in taken)
