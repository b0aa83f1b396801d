"""``python -m benchmarks``: time the optimisers, print the table, save JSON and a picture."""

import argparse
import pathlib

from benchmarks import contenders, measure, report
from benchmarks.trees import TREES


def main() -> None:
    """Parse the flags and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--trees", nargs="*", choices=TREES, default=list(TREES))
    parser.add_argument(
        "--workloads", nargs="*", choices=contenders.WORKLOADS, default=contenders.WORKLOADS
    )
    parser.add_argument("--rounds", type=int, default=21, help="timed calls of each contender")
    parser.add_argument("--no-network", action="store_true", help="leave out the training step")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/benchmark"))
    args = parser.parse_args()

    bandwidth = contenders.copy_bandwidth()
    about = report.machine() | {"copy_gb_per_s": bandwidth / 1e9}
    print(about)
    rows = []
    for tree in args.trees:
        for workload in args.workloads:
            rows += measure.optimizer_rows(tree, workload, args.rounds, bandwidth)
            print(f"{tree} {workload}: done", flush=True)
    if not args.no_network:
        rows += measure.network_rows(args.rounds)
    rows = report.ratios(rows)
    report.print_table(rows)
    report.save(rows, args.out, about)


if __name__ == "__main__":
    main()
