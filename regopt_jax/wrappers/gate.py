"""Running a transformation only on the updates that count.

A gate asks its inner transformation either for an update or, in place, for a whole step.
Held back, an update is zeros, while a step leaves the parameters untouched: no array is
read or written for it.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from regopt_jax._core import EMPTY, Composition, GradientTransformation
from regopt_jax._trees import Array, PyTree


class Mode(NamedTuple):
    """What a gate asks for: functions of (transformation, updates, state, params, extras).

    Attributes:
      run: returns what comes out, and the new state.
      hold: returns what comes out when the step is held back.
    """

    run: Callable[..., tuple[PyTree, Any]]
    hold: Callable[..., PyTree]


def _update(
    tx: GradientTransformation, updates: PyTree, state: Any, params: PyTree, extra: Any
) -> tuple[PyTree, Any]:
    return tx.update(updates, state, params, **extra)


def _zeros(
    tx: GradientTransformation, updates: PyTree, state: Any, params: PyTree, extra: Any
) -> PyTree:
    out, _ = jax.eval_shape(lambda u, s, p: tx.update(u, s, p, **extra), updates, state, params)
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), out)


def _step(
    tx: GradientTransformation, updates: PyTree, state: Any, params: PyTree, extra: Any
) -> tuple[PyTree, Any]:
    return tx.step(updates, state, params, **extra)


def _params(
    tx: GradientTransformation, updates: PyTree, state: Any, params: PyTree, extra: Any
) -> PyTree:
    return params


UPDATE = Mode(_update, _zeros)
IN_PLACE = Mode(_step, _params)


def gate(
    part: GradientTransformation,
    init: Callable[[PyTree], Any],
    advance: Callable[..., tuple[PyTree, Any]],
    inner_state: Callable[[Any], Any],
    rebuild: Callable[[GradientTransformation], GradientTransformation],
    *,
    name: str,
    hyperparams: Mapping[str, Any] = EMPTY,
) -> GradientTransformation:
    """A gate around ``part``: ``advance(mode, updates, state, params, extras)`` in both modes."""

    def update(updates: PyTree, state: Any, params: Any = None, **extra: Any) -> Any:
        return advance(UPDATE, updates, state, params, extra)

    def in_place(grads: PyTree, state: Any, params: PyTree, **extra: Any) -> Any:
        return advance(IN_PLACE, grads, state, params, extra)

    return GradientTransformation(
        init,
        update,
        name=name,
        hyperparams=hyperparams,
        role="composite",
        elementwise=part.elementwise,
        in_place=in_place,
        composition=Composition(
            (part,), (part.name,), lambda s: (inner_state(s),), lambda new: rebuild(*new), gate=True
        ),
    )


def pass_if(
    condition: Array,
    part: GradientTransformation,
    mode: Mode,
    updates: PyTree,
    inner_state: Any,
    params: PyTree,
    extra: Any,
) -> tuple[PyTree, Any]:
    """What comes out and the inner state, of a ``part`` that runs where the condition holds."""

    def run(updates: PyTree, inner_state: Any, params: Any) -> tuple[PyTree, Any]:
        return mode.run(part, updates, inner_state, params, extra)

    def hold(updates: PyTree, inner_state: Any, params: Any) -> tuple[PyTree, Any]:
        return mode.hold(part, updates, inner_state, params, extra), inner_state

    return run_or_hold(condition, run, hold, updates, inner_state, params)


def run_or_hold(
    condition: Array, run: Callable[..., Any], hold: Callable[..., Any], *operands: Any
) -> Any:
    """``lax.cond`` in which what ``run`` returns takes the dtypes that ``hold`` returns."""

    def stable(*operands: Any) -> Any:
        shapes = jax.eval_shape(hold, *operands)
        return jax.tree.map(_like, run(*operands), shapes)

    return jax.lax.cond(condition, stable, hold, *operands)


def _like(new: Any, old: jax.ShapeDtypeStruct) -> Array:
    """``new`` with the dtype and, if it has it, the weak type of ``old``."""
    same = jnp.result_type(new) == old.dtype and old.weak_type
    return jnp.asarray(new) if same else jax.lax.convert_element_type(new, old.dtype)
