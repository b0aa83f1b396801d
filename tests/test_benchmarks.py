"""The benchmark's harness, on trees small enough to run in a moment."""

import itertools
import json
import pathlib

import jax
import pytest

measure = pytest.importorskip("benchmarks.measure")
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402

from benchmarks import report, trees  # noqa: E402

SHAPES = ((3, 4), (4,), (4,))


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    monkeypatch.setattr(measure, "PAUSE_S", 0.0)
    monkeypatch.setattr(measure, "SAMPLE_S", 1e-4)
    monkeypatch.setitem(trees.TREES, "small", lambda: iter(SHAPES))
    # Optax relies on implicit promotion.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.parametrize("workload", ["lion", "adamw", "clip+adamw+accumulate"])
def test_every_contender_is_timed_and_described(workload, tmp_path):
    rows = report.ratios(measure.optimizer_rows("small", workload, 3, bandwidth=1e9))
    by_name = {row["contender"]: row for row in rows}
    assert {"regopt_jax", "regopt_jax packed", "optax"} <= by_name.keys()
    assert all(row["step_ms"] > 0 for row in rows)
    best = min(by_name["regopt_jax"]["step_ms"], by_name["regopt_jax packed"]["step_ms"])
    assert by_name["optax"]["ours_over_theirs"] == best / by_name["optax"]["step_ms"]
    slots = {"lion": 4, "adamw": 8, "clip+adamw+accumulate": 12}[workload]
    assert by_name["optax"]["state_bytes_per_param"] >= slots
    assert by_name["regopt_jax"]["state_bytes_per_param"] >= slots
    assert ("bandwidth_share" in by_name["optax"]) == (workload == "adamw")
    report.print_table(rows)
    report.save(rows, tmp_path, report.machine())
    saved = json.loads((tmp_path / "benchmark.json").read_text())
    assert [row["contender"] for row in saved["rows"]] == list(by_name)
    assert (tmp_path / "benchmark.png").stat().st_size > 10_000


def test_the_picture_of_the_published_results_is_legible():
    published = json.loads((pathlib.Path(report.__file__).parent / "results.json").read_text())
    fig = report.draw(published["rows"], published["machine"])
    FigureCanvasAgg(fig).draw()
    written = [fig._suptitle, *(ax.title for ax in fig.axes), *fig.legends[0].get_texts()]
    written += [text for ax in fig.axes for text in ax.get_yticklabels()]
    boxes = [text.get_window_extent() for text in written if text.get_text()]
    assert all(box.x0 >= 0 and box.x1 <= fig.bbox.x1 for box in boxes)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    assert not any(ax.bbox.overlaps(box) for ax in fig.axes for box in boxes)
    (legend,) = fig.legends
    marks = [(h.get_marker(), h.get_color()) for h in legend.get_lines()]
    assert len(set(marks)) == len(marks) == len({t.get_text() for t in legend.get_texts()})
    heights = [ax.get_window_extent().height for ax in fig.axes]
    assert heights[-1] < heights[0] / 3


def test_the_trees_have_the_sizes_they_claim():
    counts = {name: trees.shapes(name) for name in ("resnet50", "gpt2", "vit", "one")}
    sizes = {name: sum(measure.math.prod(s) for s in t.values()) for name, t in counts.items()}
    assert len(counts["resnet50"]) == 161
    assert sizes["resnet50"] == 25_557_032
    assert len(counts["gpt2"]) == 148
    assert round(sizes["gpt2"] / 1e6) == 124
    assert round(sizes["vit"] / 1e6, 1) == 86.6
    assert sizes["one"] == 2**24
