"""Chains: one transformation after the other."""

import collections
import itertools
from collections.abc import Collection, Sequence
from typing import Any

import optax

from regopt_jax._core import PyTree, as_transformation, transformation, trees
from regopt_jax._core.derived import seen, takes_pairs
from regopt_jax._core.modes import Mode
from regopt_jax._core.nature import Chain, Lens
from regopt_jax._core.protocol import GradientTransformation, composed

Parts = Sequence[GradientTransformation]


@transformation()
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
    parts = tuple(map(as_transformation, transformations))
    names = tuple(part.name for part in parts)

    def states(state: Any) -> tuple[Any, ...]:
        if not isinstance(state, tuple | list) or len(state) != len(parts):
            is_tuple = isinstance(state, tuple | list)
            what = f"has {len(state)} parts" if is_tuple else f"is a {type(state).__name__}"
            raise ValueError(
                f"chain: the state {what} but the chain has {len(parts)} parts "
                f"({', '.join(names)}). Pass the state that this chain's `init` or `update` "
                "returned."
            )
        return tuple(state)

    return _in_turn(Chain(parts, names, Lens(states, _joined), lambda new: chain(*new)))


@transformation()
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
    parts = tuple(as_transformation(tx) for _, tx in transformations)

    def states(state: Any) -> tuple[Any, ...]:
        missing = [name for name in names if name not in state]
        if missing:
            raise ValueError(f"named_chain: the state has {list(state)} but lacks {missing}.")
        return tuple(state[name] for name in names)

    def joined(_: Any, inner: Sequence[Any]) -> dict[str, Any]:
        return collections.OrderedDict(zip(names, inner, strict=True))

    def again(new: Parts) -> GradientTransformation:
        return named_chain(
            *zip(_named_alike(dict(zip(names, parts, strict=True)), new), new, strict=True)
        )

    return _in_turn(Chain(parts, names, Lens(states, joined), again))


def _in_turn(nature: Chain) -> GradientTransformation:
    """What runs the parts one after the other; the last ends the run as it is asked to."""
    *before, last = nature.parts or (None,)
    paired = takes_pairs(nature)

    def init(params: PyTree) -> Any:
        each = zip(nature.parts, seen(nature, params), strict=True)
        return nature.lens.put(None, [part.init(tree) for part, tree in each])

    def run(mode: Mode, updates: PyTree, state: Any, params: Any, extra: Any) -> tuple[Any, Any]:
        states = nature.lens.get(state)
        if last is None:
            return mode.land(updates), nature.lens.put(state, ())
        updates = trees.fast(updates) if paired else updates
        after = []
        for part, own in zip(before, states[:-1], strict=True):
            updates, own = part.update(updates, own, params, **extra)
            after.append(own)
        out, own = last.run(mode, updates, states[-1], params, extra)
        return out, nature.lens.put(state, [*after, own])

    return composed(init, run, nature)


def _joined(_: Any, inner: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(inner)


def _named_alike(old: dict[str, GradientTransformation], new: Parts) -> list[str]:
    """Names for the parts of a chain: those that stay keep theirs."""
    unused, taken, names = dict(old), set(old), []
    several = len(new) != len(old)
    for i, part in enumerate(new):
        kept = next((n for n, part_ in unused.items() if part_ is part), None)
        name = kept or (_unique(part.name, taken) if several else list(old)[i])
        unused.pop(name, None)
        taken.add(name)
        names.append(name)
    return names


def _unique(name: str, taken: Collection[str]) -> str:
    later = (f"{name}.{i}" for i in itertools.count(1))
    return next(n for n in itertools.chain([name], later) if n not in taken)
