"""The table, the JSON and the picture of a benchmark."""

import json
import pathlib
import platform
from typing import Any

import jax
from rich.console import Console
from rich.table import Table

from regopt_jax.inspect.plots import PALETTE

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
    import matplotlib.pyplot as plt

    groups = list(dict.fromkeys((row["tree"], row["workload"]) for row in rows))
    names = list(dict.fromkeys(row["contender"] for row in rows))
    fig, ax = plt.subplots(figsize=(8, 0.7 + 0.5 * len(groups)), layout="constrained")
    height = 0.8 / len(names)
    for i, name in enumerate(names):
        found = {(r["tree"], r["workload"]): r for r in rows if r["contender"] == name}
        at = [j for j, group in enumerate(groups) if group in found]
        widths = [1 / found[groups[j]]["ours_over_theirs"] for j in at]
        places = [j + i * height for j in at]
        ax.barh(places, widths, height, color=PALETTE[i % len(PALETTE)], label=name)
    ax.axvline(1, color="black", linewidth=0.8)
    ax.set_yticks([j + 0.4 - height / 2 for j in range(len(groups))])
    ax.set_yticklabels([f"{tree}, {workload}" for tree, workload in groups])
    ax.invert_yaxis()
    ax.set(xscale="log", xlabel="step time over that of regopt_jax")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    fig.savefig(out / "benchmark.png", dpi=120)
