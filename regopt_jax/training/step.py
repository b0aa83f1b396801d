"""A training step that compiles once and updates its state in place.

Without donation every step writes parameters and moments to fresh memory, which on a
CPU costs several times the arithmetic.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from regopt_jax._core import Array, PyTree, arithmetic, as_transformation, trees, vectors
from regopt_jax._core.made import Made, remake
from regopt_jax._core.packed import is_packed
from regopt_jax._core.sharding import sharded_like
from regopt_jax._core.untrained import Untrained, arrays, split, trainable
from regopt_jax.inspect.hyperparams import has_learning_rate, learning_rate
from regopt_jax.training.compile import compiler_options
from regopt_jax.training.packing import pack_for, pack_state, unpack_state
from regopt_jax.training.placement import Shardings, beside, is_concrete, spread

Metrics = dict[str, Any]


class TrainState(NamedTuple):
    """What a training run is: a pytree of the step, the parameters and the optimiser's state.

    Attributes:
      step: int32 scalar, the number of steps taken.
      params: the parameters, or a model that is a pytree; leaves that are not
        floating-point or complex arrays are carried along untouched.
      opt_state: the state of the transformation, over the :func:`trainable` leaves.
    """

    step: Array
    params: PyTree
    opt_state: Any

    @classmethod
    def create(cls, params: PyTree, tx: optax.GradientTransformation) -> "TrainState":
        """The state before the first step.

        Copies the arrays, so that a donated step never takes the caller's own.

        >>> import jax.numpy as jnp, regopt_jax as ro
        >>> int(ro.TrainState.create({"w": jnp.zeros(3)}, ro.adam(1e-3)).step)
        0
        """
        params = jax.tree.map(_own, params)
        opt_state = jax.tree.map(_own, tx.init(arrays(params)))
        return beside(params, cls(jnp.zeros([], jnp.int32), params, opt_state))

    def pack(self, tx: optax.GradientTransformation) -> "TrainState":
        """The same state as a step with ``pack=True`` packs it, for a ``jax.lax.scan`` over steps.

        Raises:
          ValueError: ``tx`` works elementwise on nothing; says why.
        """
        if is_packed(self.params):
            return self
        tx = as_transformation(tx)
        params = pack_for(tx, self.params)
        opt_state = pack_state(tx.init, self.opt_state, trainable(params))
        return self._replace(params=params, opt_state=opt_state)

    def unpack(self) -> "TrainState":
        """The same state in the layout of the tree, if a step with ``pack=True`` packed it."""
        params = self.params.unpack() if is_packed(self.params) else self.params
        return self._replace(params=params, opt_state=unpack_state(self.opt_state))


class TrainStep:
    """A compiled step, ``(state, *batch) -> (state, metrics)``.

    ``step.lower(state, *batch)`` is that of ``jax.jit``: its ``.compile()`` gives the program's
    text and its ``memory_analysis()``.
    """

    def __init__(
        self,
        run: Callable[..., tuple[TrainState, Metrics]],
        lower: Callable[..., jax.stages.Lowered],
        made: Made,
    ):
        self._run = run
        self.lower = lower
        self.made = made

    def __reduce__(self) -> Any:
        return remake, (self.made.function, *self.made.call())

    def __call__(self, state: TrainState, *batch: Any) -> tuple[TrainState, Metrics]:
        """The state after the step, and the step's metrics."""
        return self._run(state, *batch)


def train_step(
    loss_fn: Callable[..., Any],
    tx: optax.GradientTransformation,
    has_aux: bool = False,
    donate: bool = True,
    pack: bool = False,
) -> TrainStep:
    """A compiled step ``(state, *batch) -> (state, metrics)``.

    Args:
      loss_fn: ``loss_fn(params, *batch) -> loss``, or ``(loss, aux)`` with ``has_aux``.
      tx: the transformation, ours or Optax's; its ``update`` also gets ``value``,
        the loss, and ``grad``, the gradient.
      has_aux: whether the loss returns a pair; ``aux`` joins the metrics.
      donate: let the step reuse the memory of the state it is given, which is then
        gone: keep the new one.
      pack: lay small arrays that ``tx`` treats alike in one buffer, which makes a step on
        hundreds of small arrays many times faster. A state in the layout of the tree is
        packed by the first step, or before a ``jax.lax.scan`` over steps by
        ``state.pack(tx)``; ``state.unpack()`` gives the tree back.

    Returns:
      The step. Its metrics are ``loss``, ``grad_norm`` (of the raw gradient),
      ``learning_rate`` (the one this step used; a dict for a partition, absent
      where ``tx`` has none) and ``aux``. On several devices the new state lies where the old
      one did.

    Raises:
      TypeError: (from the step) the state is no :class:`TrainState`.
      ValueError: (from the step) an earlier step took the state's memory.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.sgd(0.1)
    >>> step = ro.train_step(lambda w, x: jnp.sum((w - x) ** 2), tx)
    >>> state, metrics = step(ro.TrainState.create(jnp.zeros(2), tx), jnp.ones(2))
    >>> state.params.tolist(), float(metrics["loss"])
    ([0.20000000298023224, 0.20000000298023224], 2.0)
    """
    tx = as_transformation(tx)
    given = {"loss_fn": loss_fn, "tx": tx, "has_aux": has_aux, "donate": donate, "pack": pack}

    def advanced(grads: PyTree, opt_state: Any, params: PyTree, loss: Array) -> Any:
        return tx.step(grads, opt_state, params, value=loss, grad=grads)

    def step(state: TrainState, rest: Untrained, batch: tuple[Any, ...]) -> Any:
        def loss_of(params: PyTree) -> tuple[Array, Any]:
            model = rest.join(params)
            out = loss_fn(model.unpack() if is_packed(model) else model, *batch)
            return out if has_aux else (out, None)

        (loss, aux), grads = jax.value_and_grad(loss_of, has_aux=True)(state.params)
        metrics: Metrics = {"loss": loss, "grad_norm": vectors.global_norm(grads)}
        if has_learning_rate(tx):
            metrics["learning_rate"] = learning_rate(tx, state.opt_state, state.params)
        if has_aux:
            metrics["aux"] = aux
        advance = sharded_like((state.params, state.opt_state), advanced)
        params, opt_state = advance(grads, state.opt_state, state.params, loss)
        return TrainState(optax.safe_increment(state.step), params, opt_state), metrics

    @functools.cache
    def compiled(shardings: Shardings | None) -> Callable[..., Any]:
        return jax.jit(
            step,
            donate_argnums=(0,) if donate else (),
            out_shardings=(shardings.tree, None) if shardings else None,
            compiler_options=compiler_options(),
        )

    nested = jax.jit(step)

    def prepared(state: TrainState, batch: tuple[Any, ...]) -> Any:
        check_state("train_step", state)
        if pack:
            state = state.pack(tx)
        params, rest = split(state.params)
        state = state._replace(params=params)
        # XLA takes compiler options for a whole program only, not for a step inside another.
        if is_traced(state, batch):
            return nested, (state, rest, batch)
        return compiled(Shardings.of(state) if spread(state.step) else None), (state, rest, batch)

    def run(state: TrainState, *batch: Any) -> tuple[TrainState, Metrics]:
        program, inputs = prepared(state, batch)
        try:
            new, metrics = program(*inputs)
        except (RuntimeError, ValueError) as error:  # what it says of a donated array differs
            _refuse_donated("train_step", state, error)
            raise
        return new._replace(params=inputs[1].join(new.params)), metrics

    def lower(state: TrainState, *batch: Any) -> jax.stages.Lowered:
        program, inputs = prepared(state, batch)
        return program.lower(*inputs)

    return TrainStep(run, lower, Made("train_step", given, train_step))


def check_state(who: str, state: Any) -> None:
    """Refuse what is no state, and a state that was donated."""
    if not isinstance(state, TrainState):
        raise TypeError(
            f"{who}: expected a TrainState before the batch, got a {type(state).__name__}. "
            "Make one by TrainState.create(params, tx)."
        )
    if is_concrete(state.step) and state.step.is_deleted():
        raise _donated(who, "this state")


def _refuse_donated(who: str, state: TrainState, error: Exception) -> None:
    for path, x in jax.tree.leaves_with_path(state):
        if is_concrete(x) and x.is_deleted():
            raise _donated(who, f"'{trees.path_string(path)}' in this state") from error


def _donated(who: str, what: str) -> ValueError:
    return ValueError(
        f"{who}: an earlier step took the memory of {what}. Keep the state that it returned, or "
        "make the step with donate=False."
    )


def is_traced(state: TrainState, batch: tuple[Any, ...]) -> bool:
    """Whether a step runs inside another program."""
    return any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves((state.step, batch)))


def _own(x: Any) -> Any:
    """A copy of an array, never of a weak type; anything else as it is."""
    if not (arithmetic.is_inexact(x) or isinstance(x, jax.Array | np.ndarray)):
        return x
    return jnp.array(x, dtype=jnp.result_type(x), copy=True)
