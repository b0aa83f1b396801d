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
MARKERS = {
    "regopt_jax": (PALETTE[0], "o"),
    "regopt_jax packed": (PALETTE[5], "D"),
    "regopt_jax train_step": (PALETTE[0], "o"),
    "optax": (PALETTE[1], "s"),
    "optax, donated jit": (PALETTE[1], "s"),
    "optax, plain jit": (PALETTE[4], "s"),
    "torch fused": (PALETTE[2], "^"),
    "torch foreach": (PALETTE[3], "v"),
}


def draw(rows: Rows, about: dict[str, Any]) -> Any:
    """A panel for each tree, a line for each workload, a mark for each contender."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    trees = list(dict.fromkeys(row["tree"] for row in rows))
    columns = min(3, len(trees))
    lines = -(-len(trees) // columns)
    fig = Figure(figsize=(4.2 * columns, 0.8 + 3.1 * lines), layout="constrained")
    panels = fig.subplots(lines, columns, squeeze=False).ravel()
    for ax in panels:
        ax.set_visible(False)
    handles = {}
    for ax, tree in zip(panels, trees, strict=False):
        ax.set_visible(True)
        here = [row for row in rows if row["tree"] == tree]
        works = list(dict.fromkeys(row["workload"] for row in here))
        for row in here:
            color, marker = MARKERS[row["contender"]]
            (mark,) = ax.plot(
                1 / row["ours_over_theirs"], works.index(row["workload"]), marker,
                color=color, markersize=7, alpha=0.85, label=row["contender"],
            )  # fmt: skip
            handles.setdefault(row["contender"], mark)
        ax.axvline(1, color="0.6", linewidth=0.8, zorder=0)
        ax.set(xscale="log", title=TITLES.get(tree, tree), ylim=(len(works) - 0.5, -0.5))
        low, high = ax.get_xlim()
        ax.set_xlim(min(low, 0.5), max(high, 2.1))
        ax.xaxis.set_major_locator(LogLocator(base=2, numticks=7))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_yticks(range(len(works)), works)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.grid(axis="x", alpha=0.3)
    fig.supxlabel("step time over that of regopt_jax's best (right of 1: slower)")
    fig.suptitle(f"{about['cpu']}, {about['device']}, jax {about['jax']}")
    fig.legend(handles.values(), handles, loc="outside right center", frameon=False)
    return fig
