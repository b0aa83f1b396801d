"""Transformations that run at some steps only."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import optax

from regopt_jax._core import Composition, GradientTransformation, adopt
from regopt_jax._trees import ArrayLike, PyTree
from regopt_jax.wrappers.gate import Mode, gate, pass_if, run_or_hold

Condition = Callable[..., ArrayLike]


def conditionally_transform(
    inner: optax.GradientTransformation,
    should_transform_fn: Condition,
    forward_extra_args: bool = False,
) -> GradientTransformation:
    """Run a transformation at some steps; at the others pass the updates through.

    Args:
      inner: the transformation.
      should_transform_fn: from the number of updates before this one (int32) to whether
        to run.
      forward_extra_args: give the function the extra arguments of ``update`` too.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.conditionally_transform(ro.scale(2.0), lambda step: step >= 1)
    >>> state = tx.init(jnp.array(0.0))
    >>> for _ in range(2):
    ...     u, state = tx.update(jnp.array(1.0), state)
    ...     print(float(u))
    1.0
    2.0
    """
    part = adopt(inner)

    def init(params: PyTree) -> optax.ConditionallyTransformState:
        return optax.ConditionallyTransformState(part.init(params), jnp.zeros([], jnp.int32))

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, optax.ConditionallyTransformState]:
        def run(updates: PyTree, inner_state: Any, params: Any) -> tuple[PyTree, Any]:
            return part.update(updates, inner_state, params, **extra)

        def hold(updates: PyTree, inner_state: Any, params: Any) -> tuple[PyTree, Any]:
            return updates, inner_state

        condition = should_transform_fn(state.step, **(extra if forward_extra_args else {}))
        out, inner_state = run_or_hold(
            jnp.asarray(condition), run, hold, updates, state.inner_state, params
        )
        return out, optax.ConditionallyTransformState(inner_state, optax.safe_increment(state.step))

    def rebuild(parts: Sequence[GradientTransformation]) -> GradientTransformation:
        (new,) = parts
        return conditionally_transform(new, should_transform_fn, forward_extra_args)

    return GradientTransformation(
        init,
        update,
        name="conditionally_transform",
        hyperparams={"should_transform_fn": should_transform_fn},
        role="composite",
        elementwise=part.elementwise,
        composition=Composition((part,), (part.name,), lambda s: (s.inner_state,), rebuild),
    )


def conditionally_mask(
    inner: optax.GradientTransformation,
    should_transform_fn: Condition,
    forward_extra_args: bool = False,
) -> GradientTransformation:
    """Run a transformation at some steps; at the others return zeros.

    Args:
      inner: the transformation; its state stays as it is while it does not run.
      should_transform_fn: from the number of updates before this one (int32) to whether
        to run.
      forward_extra_args: give the function the extra arguments of ``update`` too.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.conditionally_mask(ro.sgd(1.0), lambda step: step >= 1)
    >>> state = tx.init(jnp.array(0.0))
    >>> for _ in range(2):
    ...     u, state = tx.update(jnp.array(1.0), state)
    ...     print(float(u))
    0.0
    -1.0
    """
    part = adopt(inner)

    def init(params: PyTree) -> optax.ConditionallyMaskState:
        return optax.ConditionallyMaskState(jnp.zeros([], jnp.int32), part.init(params))

    def advance(
        mode: Mode, updates: PyTree, state: optax.ConditionallyMaskState, params: Any, extra: Any
    ) -> tuple[PyTree, optax.ConditionallyMaskState]:
        condition = should_transform_fn(state.step, **(extra if forward_extra_args else {}))
        out, inner_state = pass_if(
            jnp.asarray(condition), part, mode, updates, state.inner_state, params, extra
        )
        return out, optax.ConditionallyMaskState(optax.safe_increment(state.step), inner_state)

    return gate(
        part,
        init,
        advance,
        lambda state: state.inner_state,
        lambda new: conditionally_mask(new, should_transform_fn, forward_extra_args),
        name="conditionally_mask",
        hyperparams={"should_transform_fn": should_transform_fn},
    )
