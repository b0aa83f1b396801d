"""A training step as bytes, for a process that has neither the loss nor the transformation.

``jax.export`` serialises a program, not a Python class: of a state it knows no more than
what a dict says, each array under its path.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.export

from regopt_jax._core import PyTree
from regopt_jax._core.untrained import split, trainable
from regopt_jax.training.compile import compiler_options
from regopt_jax.training.placement import Shardings, spread
from regopt_jax.training.step import Metrics, TrainState, check_state, is_traced


def serialize_step(
    step: Callable[..., tuple[TrainState, Metrics]],
    state: TrainState,
    *batch: PyTree,
    platforms: Sequence[str] | None = None,
) -> bytes:
    """A :func:`train_step` as bytes, by ``jax.export``; needs ``pip install flatbuffers``.

    Args:
      step: the step.
      state: the state of a run, or its shapes (``jax.ShapeDtypeStruct``).
      batch: what the step takes beside it, or its shapes, among them symbolic ones.
      platforms: of ``"cpu"``, ``"cuda"``, ``"rocm"`` and ``"tpu"``, those that the step is
        compiled on later; the one in use when ``None``.

    Raises:
      TypeError: ``state`` is no :class:`TrainState`.
      ValueError: the step packs its state and ``state`` is not packed.

    See :func:`deserialize_step` for an example.
    """
    check_state("serialize_step", state)
    params, others = split(state.params)
    rest, rest_def = _flatten(others)
    state = state._replace(params=params)
    leaves, treedef = _flatten(state)
    names = _names(treedef)
    stay = dict(zip(names, Shardings.of(state).leaves, strict=True)) if spread(state.step) else None

    def program(arrays: dict[str, Any], rest: list[Any], batch: tuple[Any, ...]) -> Any:
        old: TrainState = treedef.unflatten([arrays[name] for name in names])
        model = rest_def.unflatten(rest).join(old.params)
        new, metrics = step(old._replace(params=model), *batch)
        new = new._replace(params=trainable(new.params))
        if jax.tree.structure(new) != treedef:
            raise ValueError(
                "serialize_step: the state that the step returns is not laid out like the one "
                "it was given. If it packs its state, give it state.pack(tx)."
            )
        return dict(zip(names, jax.tree.leaves(new), strict=True)), metrics

    arrays = dict(zip(names, leaves, strict=True))
    jitted = jax.jit(program, out_shardings=(stay, None))
    exported = jax.export.export(jitted, platforms=platforms)(arrays, rest, batch)
    return bytes(exported.serialize())


def deserialize_step(
    serialized: bytes, donate: bool = True
) -> Callable[..., tuple[TrainState, Metrics]]:
    """The step of :func:`serialize_step`, in this process or another.

    Args:
      serialized: the bytes.
      donate: as in :func:`train_step`.

    Returns:
      The step ``(state, *batch) -> (state, metrics)``. Its states have the structure of the
      one that was serialised; one of another is an error that names the paths.

    >>> import jax, jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.sgd(0.1)
    >>> step = ro.train_step(lambda w, x: jnp.mean((w - x) ** 2), tx)
    >>> state = ro.TrainState.create(jnp.zeros([]), tx)
    >>> n, = jax.export.symbolic_shape("n")
    >>> serialized = ro.serialize_step(step, state, jax.ShapeDtypeStruct((n,), jnp.float32))
    >>> state, metrics = ro.deserialize_step(serialized)(state, jnp.ones(5))
    >>> float(metrics["loss"]), float(state.params)
    (1.0, 0.20000000298023224)
    """
    exported = jax.export.deserialize(bytearray(serialized))
    jitted = jax.jit(
        exported.call, donate_argnums=(0,) if donate else (), compiler_options=compiler_options()
    )

    def run(state: TrainState, *batch: Any) -> tuple[TrainState, Metrics]:
        check_state("deserialize_step", state)
        params, rest = split(state.params)
        leaves, treedef = _flatten(state._replace(params=params))
        names = _names(treedef)
        call: Callable[..., Any] = exported.call if is_traced(state, batch) else jitted
        arrays = dict(zip(names, leaves, strict=True))
        arrays, metrics = call(arrays, jax.tree.leaves(rest), batch)
        new: TrainState = treedef.unflatten([arrays[name] for name in names])
        return new._replace(params=rest.join(new.params)), metrics

    return run


def _flatten(tree: PyTree) -> tuple[list[Any], Any]:
    leaves, treedef = jax.tree.flatten(tree)
    return leaves, treedef


@functools.lru_cache(maxsize=64)
def _names(treedef: Any) -> tuple[str, ...]:
    """The paths of the leaves, such as ``.params['dense']['kernel']``."""
    indices = treedef.unflatten(range(treedef.num_leaves))
    return tuple(jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(indices))
