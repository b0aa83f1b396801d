"""The table, the JSON and the picture of a benchmark."""

import json
import pathlib
import platform
from typing import Any

import jax
from rich.console import Console
from rich.table import Table

from regopt_jax.inspect.colors import PALETTE

Rows = list[dict[str, Any]]


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    device = jax.devices()[0]
    model = platform.processor() or platform.machine()
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = f"{names[0].split(': ')[1]}, {len(names)} threads" if names else model
    return {"device": device.device_kind, "cpu": model, "jax": jax.__version__}


def ratios(rows: Rows) -> Rows:
    """Each row with its step time over that of regopt_jax's best on the same work."""
    best: dict[tuple[str, str], float] = {}
    for row in rows:
        if row["contender"].startswith("regopt_jax"):
            key = (row["tree"], row["workload"])
            best[key] = min(best.get(key, float("inf")), row["step_ms"])
    for row in rows:
        row["ours_over_theirs"] = best[row["tree"], row["workload"]] / row["step_ms"]
    return rows


def print_table(rows: Rows) -> None:
    """One line a contender."""
    table = Table(title="medians of interleaved runs; ratio = regopt_jax over the contender")
    for column in ("tree", "workload", "contender"):
        table.add_column(column)
    for column in ("step ms", "ratio", "trace s", "compile s", "temp MB", "state B/p", "bandwidth"):
        table.add_column(column, justify="right")
    for row in rows:
        share = row.get("bandwidth_share")
        table.add_row(
            row["tree"],
            row["workload"],
            row["contender"],
            f"{row['step_ms']:.2f}",
            f"{row['ours_over_theirs']:.2f}",
            f"{row['trace_s']:.2f}",
            f"{row['compile_s']:.2f}",
            f"{row['temp_mb']:.2f}",
            f"{row['state_bytes_per_param']:.1f}",
            "" if share is None else f"{share:.0%}",
        )
    Console(width=140).print(table)


def save(rows: Rows, out: pathlib.Path, about: dict[str, Any]) -> None:
    """``benchmark.json`` and ``benchmark.png`` in the folder ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "benchmark.json").write_text(json.dumps({"machine": about, "rows": rows}, indent=1))
    draw(rows, about).savefig(out / "benchmark.png", dpi=110)


TITLES = {
    "resnet50": "ResNet-50: 161 arrays, 25.6M",
    "gpt2": "GPT-2 small: 148 arrays, 124M",
    "vit": "ViT-B/16: 152 arrays, 86.6M",
    "small": "1000 arrays of 1024",
    "one": "one array of 16.7M",
    "demo network": "the demo's network",
}
# Steps without a name of their own are donated, as all are but Optax's plain one.
MARKS = {
    "regopt_jax": ("regopt_jax", PALETTE[0], "o"),
    "regopt_jax train_step": ("regopt_jax", PALETTE[0], "o"),
    "regopt_jax packed": ("regopt_jax, packed", PALETTE[5], "D"),
    "optax": ("Optax", PALETTE[1], "s"),
    "optax, donated jit": ("Optax", PALETTE[1], "s"),
    "optax, plain jit": ("Optax, not donated", PALETTE[4], "s"),
    "torch fused": ("PyTorch, fused", PALETTE[2], "^"),
    "torch foreach": ("PyTorch, foreach", PALETTE[3], "v"),
}


def draw(rows: Rows, about: dict[str, Any]) -> Any:
    """A panel for each tree, a line for each workload, a mark for each contender."""
    from matplotlib.figure import Figure

    trees = list(dict.fromkeys(row["tree"] for row in rows))
    works = {t: list(dict.fromkeys(r["workload"] for r in rows if r["tree"] == t)) for t in trees}
    columns = min(3, len(trees))
    lines = -(-len(trees) // columns)
    fig = Figure(figsize=(3.6 * columns + 1.4, 3.1 * lines + 0.8), layout="constrained")
    handles: dict[str, Any] = {}
    for i, tree in enumerate(trees):
        many = len(works[tree])
        ax = fig.add_subplot(lines, columns, i + 1, anchor="N", box_aspect=0.08 + 0.12 * many)
        for row in rows:
            if row["tree"] == tree:
                label, color, marker = MARKS[row["contender"]]
                (handles[label],) = ax.plot(
                    1 / row["ours_over_theirs"], works[tree].index(row["workload"]), marker,
                    color=color, markersize=7, alpha=0.85,
                )  # fmt: skip
        beside = i % columns and works[trees[i - 1]] == works[tree]
        ax.set_yticks(range(many), [] if beside else works[tree])
        ax.set(title=TITLES.get(tree, tree), ylim=(many - 0.5, -0.5))
        _ratio_axis(ax)
    measured_on = f"{about['cpu']}, {about['device']}, jax {about['jax']}"
    fig.suptitle(f"Step time over that of regopt_jax's best; right of 1 is slower ({measured_on})")
    fig.legend(
        handles.values(), handles, loc="outside lower center", ncols=len(handles), frameon=False
    )
    return fig


def _ratio_axis(ax: Any) -> None:
    """Powers of two around 1."""
    from matplotlib.ticker import LogLocator, NullLocator

    ax.axvline(1, color="0.6", linewidth=0.8, zorder=0)
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    ax.set_xlim(min(low, 0.5), max(high, 2.1))
    ax.xaxis.set_major_locator(LogLocator(base=2, numticks=7))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter("{x:g}")
    ax.grid(axis="x", alpha=0.3)
