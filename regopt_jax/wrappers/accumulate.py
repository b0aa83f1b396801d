"""Gradient accumulation: large batches from small ones."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import (
    GradientTransformation,
    fields,
    matching,
    numbers,
    trees,
    value_at,
    wrap,
)
from regopt_jax._core.arithmetic import zeros_like
from regopt_jax._core.decorator import transformation
from regopt_jax._core.derived import takes_pairs
from regopt_jax._core.foreign import as_transformation
from regopt_jax._core.modes import Mode, held, run_or_hold
from regopt_jax._core.trees import Array, ArrayLike, PyTree

ShouldSkip = Callable[[PyTree, Array, PyTree | None], tuple[Array, PyTree]]


@transformation(every_k="integer [1, inf)")
def accumulate(
    inner: optax.GradientTransformation,
    every_k: int | Callable[[ArrayLike], ArrayLike],
    use_grad_mean: bool = True,
    should_skip_update_fn: ShouldSkip | None = None,
    accumulator_dtype: Any = jnp.float32,
) -> GradientTransformation:
    r"""Take one optimiser step for every k updates, on the mean of their gradients.

    .. math:: \bar g_k = \tfrac1k \sum_{i=1}^{k} g_i

    The updates in between are zero and leave the inner state alone, so schedules count
    optimiser steps. State and semantics are those of ``optax.MultiSteps``; the inner
    transformation runs on the k-th update only.

    Args:
      inner: the transformation to feed.
      every_k: k, an integer ≥ 1, or a function from the number of optimiser steps done to k.
      use_grad_mean: mean of the gradients; their sum otherwise.
      should_skip_update_fn: ``(updates, step, params) -> (skip, info)``, such as
        :func:`skip_not_finite`; an update that it skips is not counted, and ``info`` is
        kept in the state.
      accumulator_dtype: dtype of the running mean; complex where the parameter is.

    Raises:
      ValueError: k is not an integer, or less than 1.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.accumulate(ro.sgd(1.0), every_k=2)
    >>> state = tx.init(jnp.array(0.0))
    >>> for g in (1.0, 3.0):
    ...     u, state = tx.update(jnp.array(g), state)
    ...     print(float(u))
    0.0
    -2.0
    """
    part = as_transformation(inner)
    numbers.check_function("accumulate", "should_skip_update_fn", should_skip_update_fn)

    def skip(updates: PyTree, state: optax.MultiStepsState, params: PyTree | None) -> Any:
        if should_skip_update_fn is None:
            return None, ()
        return should_skip_update_fn(updates, state.gradient_step, params)

    def accumulator(p: Array) -> Array:
        return zeros_like(p, accumulator_dtype)

    def init(params: PyTree) -> optax.MultiStepsState:
        own = fast(params)
        state = optax.MultiStepsState(
            mini_step=jnp.zeros([], jnp.int32),
            gradient_step=jnp.zeros([], jnp.int32),
            inner_opt_state=part.init(params),
            acc_grads=jax.tree.map(accumulator, own),
        )
        zero_updates = jax.tree.map(zeros_like, own)
        return state._replace(skip_state=skip(zero_updates, state, params)[1])

    def fast(tree: PyTree) -> PyTree:
        return trees.fast(tree) if takes_pairs(part.nature) else tree

    @jax.jit
    def add(weight: Array, g: Any, total: Any) -> Any:
        if g is None:
            return total
        g, total = jnp.asarray(g), jnp.asarray(total)
        with jax.numpy_dtype_promotion("standard"):
            weight = weight.astype(total.real.dtype)
            new = total + ((g - total) * weight if use_grad_mean else g)
        return new.astype(total.dtype)

    def run(
        mode: Mode, updates: PyTree, state: optax.MultiStepsState, params: Any, extra: Any
    ) -> tuple[Any, optax.MultiStepsState]:
        updates = fast(updates)
        k = jnp.asarray(value_at(every_k, state.gradient_step), jnp.int32)
        skipped, skip_state = skip(updates, state, params)
        emit = state.mini_step == k - 1
        if skipped is not None:
            emit &= ~skipped
        leaves, treedef = trees.flatten(updates)
        totals = matching.align("accumulate", "state", state.acc_grads, updates, treedef)
        matching.check_shapes("accumulate", "accumulated gradient", updates, leaves, totals)
        # A quotient would be stored once for all its uses; a product is worked out anew.
        weight = 1 / (state.mini_step.astype(float) + 1)

        def ended(mode: Mode, leaves: Any, totals: Any, inner_state: Any, params: Any) -> Any:
            means = [
                None if g is None else add(weight, g, t).astype(jnp.asarray(g).dtype)
                for g, t in zip(leaves, totals, strict=True)
            ]
            means_tree = treedef.unflatten(means)
            out, inner_state = part.run(mode, means_tree, inner_state, params, extra)
            pairs = zip(leaves, totals, strict=True)
            return out, [t if g is None else jnp.zeros_like(t) for g, t in pairs], inner_state

        def within(mode: Mode, leaves: Any, totals: Any, inner_state: Any, params: Any) -> Any:
            out = held(ended, mode, leaves, totals, inner_state, params)
            pairs = zip(leaves, totals, strict=True)
            return out, [keep(t, add(weight, g, t)) for g, t in pairs], inner_state

        def keep(old: Any, new: Any) -> Any:
            return new if skipped is None or old is None else jnp.where(skipped, old, new)

        out, totals, inner_state = run_or_hold(
            emit, ended, within, mode, leaves, totals, state.inner_opt_state, params
        )
        following = jnp.where(emit, 0, (state.mini_step + 1) % k)
        return out, optax.MultiStepsState(
            mini_step=following
            if skipped is None
            else jnp.where(skipped, state.mini_step, following),
            gradient_step=jnp.where(
                emit, optax.safe_increment(state.gradient_step), state.gradient_step
            ),
            inner_opt_state=inner_state,
            acc_grads=treedef.unflatten(totals),
            skip_state=skip_state,
        )

    return wrap(
        part,
        init=init,
        run=run,
        lens=fields("inner_opt_state"),
        holds=True,
        count=lambda state: state.gradient_step,
    )


class MultiSteps:
    """:func:`accumulate` with the interface of ``optax.MultiSteps``.

    Args:
      opt: the transformation to feed.
      every_k_schedule: ``every_k`` of :func:`accumulate`.
      use_grad_mean, should_skip_update_fn, accumulator_dtype: as there.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> steps = ro.MultiSteps(ro.sgd(1.0), every_k_schedule=2)
    >>> state = steps.init(jnp.array(0.0))
    >>> for g in (1.0, 3.0):
    ...     u, state = steps.update(jnp.array(g), state)
    >>> float(u), bool(steps.has_updated(state))
    (-2.0, True)
    """

    def __init__(
        self,
        opt: optax.GradientTransformation,
        every_k_schedule: int | Callable[[ArrayLike], ArrayLike],
        use_grad_mean: bool = True,
        should_skip_update_fn: ShouldSkip | None = None,
        accumulator_dtype: Any = jnp.float32,
    ):
        self._tx = accumulate(
            opt, every_k_schedule, use_grad_mean, should_skip_update_fn, accumulator_dtype
        )

    @property
    def inner_opt(self) -> GradientTransformation:
        """The transformation that is fed."""
        return self._tx.parts[0]

    def init(self, params: PyTree) -> optax.MultiStepsState:
        """The state before the first update."""
        return self._tx.init(params)

    def update(
        self, updates: PyTree, state: Any, params: PyTree | None = None, **extra_args: Any
    ) -> tuple[PyTree, optax.MultiStepsState]:
        """Zeros, or on each k-th call an optimiser step."""
        return self._tx.update(updates, state, params, **extra_args)

    def has_updated(self, state: optax.MultiStepsState) -> Array:
        """Whether the last update was an optimiser step."""
        return (state.mini_step == 0) & (state.gradient_step > 0)

    def gradient_transformation(self) -> GradientTransformation:
        """The transformation itself."""
        return self._tx
