"""The one way to put something around transformations, and to exchange what is inside."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import optax

from regopt_jax._core.by_name import is_transformation
from regopt_jax._core.derived import inner_metric
from regopt_jax._core.foreign import as_transformation
from regopt_jax._core.modes import Mode
from regopt_jax._core.nature import SAME, Chain, Change, Lens, Masks, Wrapper
from regopt_jax._core.protocol import GradientTransformation, Run, composed, transformations_in
from regopt_jax._core.trees import PyTree


def wrap(
    *parts: optax.GradientTransformation,
    init: Callable[[PyTree], Any] | None = None,
    update: Callable[..., tuple[PyTree, Any]] | None = None,
    run: Run | None = None,
    lens: Lens = SAME,
    names: Sequence[str] | None = None,
    sees: Callable[[PyTree], Sequence[PyTree]] | None = None,
    selects: bool = False,
    selection: PyTree | None = None,
    mixes: bool = False,
    holds: bool = False,
    pairs: bool = False,
    metric: Literal["inner"] | Callable[..., PyTree] | None = None,
    count: Callable[[Any], Any] | None = None,
    masks: Masks | None = None,
    in_force: Callable[[Any], Mapping[str, Any]] | None = None,
    parts_at: Callable[[Any], tuple[GradientTransformation, ...]] | None = None,
    edit: Callable[[Change], GradientTransformation] | None = None,
) -> GradientTransformation:
    """A transformation around others; call it in a function under ``@transformation``.

    Args:
      parts: the transformations inside.
      init: ``init(params) -> state``; by default the one part's own.
      update: ``update(updates, state, params, **extra_args) -> (updates, state)``, for what
        works on the updates of its parts.
      run: in place of ``update``, ``run(mode, updates, state, params, extra_args)``, for what may
        contain a part that holds a step back: hand the mode on to the part; see ``_core/modes.py``.
      lens: where the states of the parts lie: :func:`fields`, by default the state is the part's.
      names: what the parts are called; by default by their own names.
      metric: ``"inner"`` for that of what is inside, by 1 where a mask hides a leaf.
      sees, selects, selection, mixes, holds, pairs, count, masks, in_force, parts_at, edit: see
        :class:`Wrapper`.

    >>> import jax, jax.numpy as jnp, regopt_jax as ro
    >>> @ro.transformation(factor="(0, inf)")
    ... def stretched(inner: ro.GradientTransformation, factor: float) -> ro.GradientTransformation:
    ...     def update(updates, state, params=None, **extra):
    ...         out, state = inner.update(updates, state, params, **extra)
    ...         return jax.tree.map(lambda u: factor * u, out), state
    ...
    ...     return ro.wrap(inner, update=update)
    >>> tx = stretched(ro.sgd(0.5), 2.0)
    >>> float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0])
    -3.0
    """
    inside = tuple(map(as_transformation, parts))

    def of_update(mode: Mode, updates: PyTree, state: Any, params: Any, extra: Any) -> Any:
        assert update is not None
        out, state = update(updates, state, params, **extra)
        return mode.land(out), state

    nature = Wrapper(
        inside,
        tuple(part.name for part in inside) if names is None else tuple(names),
        lens,
        sees=sees,
        selects=selects,
        selection=selection,
        mixes=mixes,
        holds=holds,
        pairs=pairs,
        metric=inner_metric(lens, sees, selects) if metric == "inner" else metric,
        count=count,
        masks=masks,
        in_force=in_force,
        parts_at=parts_at,
        edit=edit,
    )
    return composed(init or inside[0].init, run or of_update, nature)


def with_parts(
    tx: GradientTransformation, new: Sequence[GradientTransformation]
) -> GradientTransformation:
    """The same chain or wrapper of other parts: the call that made it, made again.

    A chain may get more or fewer.

    Raises:
      TypeError: it was not made by a function under ``@transformation``.
    """
    if isinstance(tx.nature, Chain):
        return tx.nature.again(new).named(tx.name)
    rest = iter(new)
    arguments = tx.built.arguments.items()
    changes = {name: _exchanged(x, rest) for name, x in arguments if transformations_in(x)}
    made: GradientTransformation = tx.built.again(**changes)
    return made.named(tx.name)


def map_parts(tx: GradientTransformation, change: Change) -> GradientTransformation:
    """The same chain or wrapper, with ``change`` applied to each part."""
    if isinstance(tx.nature, Wrapper) and tx.nature.edit is not None:
        return tx.nature.edit(change).named(tx.name)
    return with_parts(tx, [change(part) for part in tx.parts])


def _exchanged(value: Any, rest: Iterator[GradientTransformation]) -> Any:
    """An argument with its transformations, in order, exchanged for those of ``rest``."""
    if is_transformation(value):
        return next(rest)
    if isinstance(value, Mapping):
        return {key: _exchanged(x, rest) for key, x in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_exchanged(x, rest) for x in value)
    return value
