"""Transformations that run at some steps only."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax

from regopt_jax._core import ArrayLike, GradientTransformation, PyTree, fields, transformation, wrap
from regopt_jax._core.foreign import as_transformation
from regopt_jax._core.modes import Mode, run_if, run_or_hold

Condition = Callable[..., ArrayLike]


@transformation()
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
    part = as_transformation(inner)

    def init(params: PyTree) -> optax.ConditionallyTransformState:
        return optax.ConditionallyTransformState(part.init(params), jnp.zeros([], jnp.int32))

    def run(
        mode: Mode, updates: PyTree, state: Any, params: PyTree | None, extra: Any
    ) -> tuple[Any, optax.ConditionallyTransformState]:
        def inside(mode: Mode, updates: PyTree, inner_state: Any, params: Any) -> Any:
            return part.run(mode, updates, inner_state, params, extra)

        def outside(mode: Mode, updates: PyTree, inner_state: Any, params: Any) -> Any:
            return mode.land(updates), inner_state

        condition = should_transform_fn(state.step, **(extra if forward_extra_args else {}))
        out, inner_state = run_or_hold(
            jnp.asarray(condition), inside, outside, mode, updates, state.inner_state, params
        )
        return out, optax.ConditionallyTransformState(inner_state, optax.safe_increment(state.step))

    return wrap(part, init=init, run=run, lens=fields("inner_state"))


@transformation()
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
    part = as_transformation(inner)

    def init(params: PyTree) -> optax.ConditionallyMaskState:
        return optax.ConditionallyMaskState(jnp.zeros([], jnp.int32), part.init(params))

    def run(
        mode: Mode, updates: PyTree, state: optax.ConditionallyMaskState, params: Any, extra: Any
    ) -> tuple[Any, optax.ConditionallyMaskState]:
        condition = should_transform_fn(state.step, **(extra if forward_extra_args else {}))
        out, inner_state = run_if(
            jnp.asarray(condition), part, mode, updates, state.inner_state, params, extra
        )
        return out, optax.ConditionallyMaskState(optax.safe_increment(state.step), inner_state)

    return wrap(part, init=init, run=run, lens=fields("inner_state"), holds=True)
