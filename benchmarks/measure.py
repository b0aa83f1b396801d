"""Timing contenders side by side, one call of each in turn."""

import collections
import gc
import math
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks import contenders, network
from benchmarks.contenders import Contender
from benchmarks.trees import shapes as tree_shapes

PAUSE_S = 0.05
SAMPLE_S = 0.06


def interleave(entries: dict[str, Contender], rounds: int, cycle: int = 1) -> None:
    """Time every contender ``rounds`` times, in turn, so that drift meets all alike.

    The pause lets threads that wait for work by spinning, as PyTorch's do, go to sleep
    before the next contender runs; the order turns, so that no one always follows another.
    A sample is as many calls as take ``SAMPLE_S``, whole cycles of them, so that waking the
    threads up again weighs little.
    """
    calls = {name: cycle * _cycles(entry, cycle) for name, entry in entries.items()}
    waiting = collections.deque(entries)
    for _ in range(rounds):
        waiting.rotate()
        for name in waiting:
            time.sleep(PAUSE_S)
            seconds = _seconds(entries[name], calls[name])
            entries[name].times.append(seconds / calls[name])


def _seconds(entry: Contender, calls: int) -> float:
    begin = time.perf_counter()
    for _ in range(calls):
        entry.run()
    return time.perf_counter() - begin


def _cycles(entry: Contender, cycle: int) -> int:
    """How many cycles of calls fill a sample; the first, cold one is not counted."""
    _seconds(entry, cycle)
    return max(1, round(SAMPLE_S / _seconds(entry, cycle)))


def _rows(entries: dict[str, Contender], **labels: Any) -> list[dict[str, Any]]:
    return [
        {
            **labels,
            "contender": name,
            "step_ms": 1e3 * statistics.median(entry.times),
            "trace_s": entry.trace_s,
            "compile_s": entry.compile_s,
            "temp_mb": entry.temp_bytes / 1e6,
            "state_bytes_per_param": entry.state_bytes_per_param,
        }
        for name, entry in entries.items()
    ]


def optimizer_rows(tree: str, workload: str, rounds: int, bandwidth: float) -> list[dict[str, Any]]:
    """One workload on one tree by everyone who can run it."""
    shapes = tree_shapes(tree)
    makers: dict[str, Callable[[], Contender | None]] = {
        "regopt_jax": lambda: contenders.ours(workload, shapes),
        "optax": lambda: contenders.optax_(workload, shapes),
        "torch fused": lambda: contenders.pytorch(workload, shapes, "fused"),
        "torch foreach": lambda: contenders.pytorch(workload, shapes, "foreach"),
    }
    if tree == "small":
        makers["regopt_jax packed"] = lambda: contenders.packed(workload, shapes)
    made = {name: make() for name, make in makers.items()}
    entries = {name: entry for name, entry in made.items() if entry is not None}
    accumulates = workload.endswith("+accumulate")
    interleave(entries, rounds, contenders.ACCUMULATE if accumulates else 1)
    rows = _rows(entries, tree=tree, workload=workload)
    if workload == "adamw":
        floor = 28 * sum(math.prod(shape) for shape in shapes.values()) / bandwidth
        for row in rows:
            row["bandwidth_share"] = floor / (row["step_ms"] / 1e3)
    del made, entries
    gc.collect()
    return rows


def network_rows(rounds: int) -> list[dict[str, Any]]:
    """A whole training step of the demo's network."""
    entries = {
        "regopt_jax train_step": network.ours(),
        "optax, donated jit": network.optax_(donate=True),
        "optax, plain jit": network.optax_(donate=False),
    }
    interleave(entries, rounds)
    return _rows(entries, tree="demo network", workload="training step")
