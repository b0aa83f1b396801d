"""What a step costs: its time beside another's, and the memory that it asks for.

Two steps are compared by calls in turn, so that whatever else the machine does meets
both alike; memory is what the compiler planned, and does not vary.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from regopt_jax._core import PyTree, as_transformation
from regopt_jax.training.compile import compiler_options


def interleave(calls: Mapping[str, Callable[[], Any]], rounds: int = 15) -> dict[str, np.ndarray]:
    """Seconds of each call, shape ``(rounds,)``: one of each in turn, the first not counted.

    >>> {name: times.shape for name, times in interleave({"nothing": lambda: None}, 3).items()}
    {'nothing': (3,)}
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            begin = time.perf_counter()
            jax.block_until_ready(call())  # type: ignore[no-untyped-call]
            if turn > 0:
                times[name].append(time.perf_counter() - begin)
    return {name: np.array(each) for name, each in times.items()}


def repeated(step: Callable[..., tuple[Any, Any]], state: Any, *batch: Any) -> Callable[[], Any]:
    """A call that takes one more step ``(state, *batch) -> (state, metrics)`` from the last."""
    held = [state]

    def call() -> Any:
        held[0], _ = step(held[0], *batch)
        return held[0]

    return call


def over(times: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Times over the median of one of them.

    >>> {k: v.tolist() for k, v in over({"a": np.ones(1), "b": np.full(1, 3.0)}, "a").items()}
    {'a': [1.0], 'b': [3.0]}
    """
    unit = statistics.median(times[name].tolist())
    return {key: each / unit for key, each in times.items()}


class Memory(NamedTuple):
    """Bytes over those of the parameters, by what a compiled update asks for.

    Attributes:
      fresh: results that do not take the place of an argument.
      temporary: intermediate arrays, free again after the step.
    """

    fresh: float
    temporary: float


def memory(tx: optax.GradientTransformation, params: PyTree, *, donate: bool = True) -> Memory:
    """What a step of ``tx`` needs beside parameters, gradients and state.

    Args:
      tx: ours or Optax's.
      params: arrays or their shapes; nothing is run.
      donate: give parameters and state away to the step.
    """
    state = jax.eval_shape(tx.init, params)
    needs: Any = _jitted(tx, donate).lower(params, state, params).compile().memory_analysis()
    unit = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(params))
    fresh = needs.output_size_in_bytes - needs.alias_size_in_bytes
    return Memory(fresh / unit, needs.temp_size_in_bytes / unit)


def updating(tx: optax.GradientTransformation, params: PyTree) -> Callable[[], Any]:
    """A call that takes one more step of ``tx`` alone, without a loss, on constant gradients."""
    params = jax.tree.map(jnp.array, params)
    grads = jax.tree.map(lambda x: 0.1 * jnp.ones_like(x), params)
    jitted = _jitted(tx, donate=True)
    held = [params, tx.init(params)]

    def call() -> Any:
        held[:] = jitted(*held, grads)
        return held

    return call


def _jitted(tx: optax.GradientTransformation, donate: bool) -> Any:
    """A step compiled as :func:`regopt_jax.train_step` compiles it."""
    ours = as_transformation(tx)

    def step(params: PyTree, state: Any, grads: PyTree) -> tuple[PyTree, Any]:
        return ours.step(grads, state, params)

    donated = (0, 1) if donate else ()
    return jax.jit(step, donate_argnums=donated, compiler_options=compiler_options())


def deep_network(depth: int, width: int = 32, seed: int = 0) -> PyTree:
    """A residual network on 64 inputs with ten logits, of ``2 * depth + 2`` small arrays."""
    random = np.random.default_rng(seed)

    def kernel(inputs: int, outputs: int, gain: float = 1.0) -> jax.Array:
        draw = random.normal(0, np.sqrt(gain / inputs), (inputs, outputs))
        return jnp.asarray(draw, jnp.float32)

    return {
        "in": kernel(64, width),
        "layers": [
            {"kernel": kernel(width, width, 1 / depth), "bias": jnp.zeros(width)}
            for _ in range(depth)
        ],
        "out": kernel(width, 10),
    }


def deep_loss(params: PyTree, x: jax.Array, y: jax.Array) -> jax.Array:
    """The mean cross-entropy of a :func:`deep_network`."""
    x = x @ params["in"]
    for layer in params["layers"]:
        x = x + jax.nn.relu(x @ layer["kernel"] + layer["bias"][None])
    losses = optax.losses.softmax_cross_entropy_with_integer_labels(x @ params["out"], y)
    return jnp.mean(losses)
