"""Who runs: the same optimiser step by regopt_jax, Optax and PyTorch."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import regopt_jax as ro
from regopt_jax.training.compile import compiler_options

try:
    import torch
except ImportError:  # The PyTorch columns are then absent.
    torch = None

from benchmarks.trees import Shape

ACCUMULATE = 4
MAX_NORM = 1.0
RATE = 1e-3


@dataclasses.dataclass
class Contender:
    """One compiled step and what is known of it before it runs."""

    run: Callable[[], None]
    trace_s: float = 0.0
    compile_s: float = 0.0
    temp_bytes: int = 0
    state_bytes_per_param: float = 0.0
    times: list[float] = dataclasses.field(default_factory=list)


def _chain(lib: Any, clip: bool, tx: Any) -> Any:
    return lib.chain(lib.clip_by_global_norm(MAX_NORM), tx) if clip else tx


def _transformation(lib: Any, name: str) -> Any:
    plain = name.removeprefix("clip+").removesuffix("+accumulate")
    make = {
        "sgd": lambda: lib.sgd(RATE, momentum=0.9),
        "rmsprop": lambda: lib.rmsprop(RATE, decay=0.99, eps_in_sqrt=False),
        "adam": lambda: lib.adam(RATE),
        "adamw": lambda: lib.adamw(RATE, weight_decay=1e-2),
        "lion": lambda: lib.lion(RATE),
    }[plain]
    tx = _chain(lib, name.startswith("clip+"), make())
    if not name.endswith("+accumulate"):
        return tx
    if lib is optax:
        return optax.MultiSteps(tx, ACCUMULATE).gradient_transformation()
    return ro.accumulate(tx, ACCUMULATE)


WORKLOADS = ("sgd", "rmsprop", "lion", "adam", "adamw", "clip+adamw", "clip+adamw+accumulate")


def jax_contender(
    step: Callable[..., Any], tx: Any, params: Any, grads: Any, options: Any = None
) -> Contender:
    """A donated, compiled ``step(params, state, grads) -> (params, state)``."""
    state = jax.jit(tx.init)(params)
    begin = time.perf_counter()
    traced = jax.jit(step, donate_argnums=(0, 1)).trace(params, state, grads)
    lowered = traced.lower()
    middle = time.perf_counter()
    compiled = lowered.compile(options)
    end = time.perf_counter()
    box = [params, state]
    count = sum(x.size for x in jax.tree.leaves(params))
    state_bytes = sum(x.nbytes for x in jax.tree.leaves(state))

    def run() -> None:
        box[:] = compiled(*box, grads)
        jax.block_until_ready(box)

    temporary = compiled.memory_analysis().temp_size_in_bytes
    return Contender(run, middle - begin, end - middle, temporary, state_bytes / count)


def arrays(shapes: dict[str, Shape], seed: int) -> dict[str, jax.Array]:
    """Normal numbers of the tree's shapes, scaled like weights."""
    rng = np.random.default_rng(seed)
    return {
        name: jnp.asarray(rng.normal(size=shape).astype(np.float32) * 0.02)
        for name, shape in shapes.items()
    }


def ours(workload: str, shapes: dict[str, Shape]) -> Contender:
    """regopt_jax."""
    return _ours(workload, arrays(shapes, 0), arrays(shapes, 1))


def packed(workload: str, shapes: dict[str, Shape]) -> Contender:
    """regopt_jax on packed parameters, gradients and state."""
    return _ours(workload, ro.pack(arrays(shapes, 0)), ro.pack(arrays(shapes, 1)))


def _ours(workload: str, params: Any, grads: Any) -> Contender:
    tx = _transformation(ro, workload)

    def step(params: Any, state: Any, grads: Any) -> Any:
        return tx.step(grads, state, params)

    return jax_contender(step, tx, params, grads, compiler_options())


def optax_(workload: str, shapes: dict[str, Shape]) -> Contender:
    """Optax, as its documentation writes the step, with donation."""
    tx = _transformation(optax, workload)

    def step(params: Any, state: Any, grads: Any) -> Any:
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return jax_contender(step, tx, arrays(shapes, 0), arrays(shapes, 1))


def pytorch(workload: str, shapes: dict[str, Shape], mode: str) -> Contender | None:
    """PyTorch, with ``fused=True`` or ``foreach=True``; None where there is no such kernel."""
    if torch is None:
        return None
    plain = workload.removeprefix("clip+").removesuffix("+accumulate")
    if plain == "lion" or (plain == "rmsprop" and mode == "fused"):
        return None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tensors, rng = [], np.random.default_rng(0)
    for shape in shapes.values():
        tensor = torch.tensor(rng.normal(size=shape).astype(np.float32) * 0.02, device=device)
        tensor.requires_grad_(True)
        tensor.grad = torch.full_like(tensor, 0.01)
        tensors.append(tensor)
    make = {
        "sgd": lambda **o: torch.optim.SGD(tensors, lr=RATE, momentum=0.9, **o),
        "rmsprop": lambda **o: torch.optim.RMSprop(tensors, lr=RATE, **o),
        "adam": lambda **o: torch.optim.Adam(tensors, lr=RATE, **o),
        "adamw": lambda **o: torch.optim.AdamW(tensors, lr=RATE, **o),
    }[plain]
    optimizer = make(**{mode: True})
    clips = workload.startswith("clip+")
    sums = [torch.zeros_like(t) for t in tensors] if workload.endswith("+accumulate") else None
    steps = [0]

    def run() -> None:
        grads = [t.grad for t in tensors]
        if sums is not None:
            torch._foreach_add_(sums, grads, alpha=1 / ACCUMULATE)
            steps[0] += 1
            if steps[0] % ACCUMULATE:
                return
            for tensor, total in zip(tensors, sums, strict=True):
                tensor.grad = total
        if clips:
            torch.nn.utils.clip_grad_norm_(tensors, MAX_NORM, foreach=True)
        optimizer.step()
        if sums is not None:
            torch._foreach_zero_(sums)
            for tensor, grad in zip(tensors, grads, strict=True):
                tensor.grad = grad
        if device == "cuda":
            torch.cuda.synchronize()

    run()
    count = sum(math.prod(shape) for shape in shapes.values())
    held = sum(
        value.numel() * value.element_size()
        for state in optimizer.state.values()
        for value in state.values()
        if torch.is_tensor(value)
    )
    return Contender(run, state_bytes_per_param=held / count)


def copy_bandwidth() -> float:
    """Bytes a second that one copy of a large array reads and writes, in this process."""
    source = jnp.ones(1 << 25, jnp.float32)
    copy = jax.jit(lambda x, out: out.at[...].set(x * 1.000001), donate_argnums=(1,))
    out = copy(source, jnp.zeros_like(source))
    best = math.inf
    for _ in range(15):
        begin = time.perf_counter()
        out = jax.block_until_ready(copy(source, out))
        best = min(best, time.perf_counter() - begin)
    return 2 * source.nbytes / best
