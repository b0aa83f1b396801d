"""Optax's own test files, as its wheel has them, with the second face standing in for it.

``python -m tests.optax.suite [words] [--optax] [-n processes]`` runs those whose path has one of
the words in it and says what passed and failed; with ``--optax`` Optax itself is tested.
"""

import argparse
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree

WHEEL = pathlib.Path(importlib.util.find_spec("optax").origin).parent
HERE = pathlib.Path(__file__).resolve().parents[2]

# What fails under Optax 0.2.8 itself, by rounding.
FAIL_UNDER_OPTAX = frozenset(
    {
        "optax._src.linear_algebra_test.LinearAlgebraTest.test_nnls4",
        "optax._src.linear_algebra_test.LinearAlgebraTest.test_nnls5",
        "optax.transforms._clipping_test.ClippingTest.test_clip_by_block_rms",
    }
)


# Most of the time is theirs; ``.ci/run`` leaves them to a job of their own.
LONG = ("alias_test", "_common_test")


class Outcome(NamedTuple):
    """The tests that ran, by the names of file, class and test."""

    passed: frozenset[str]
    failed: frozenset[str]
    skipped: frozenset[str]


def files(words: Sequence[str] = (), without: Sequence[str] = ()) -> list[pathlib.Path]:
    """The test files of the wheel, by the words that their paths in it have, or have not."""

    def has(path: pathlib.Path, some: Sequence[str]) -> bool:
        return any(word in str(path.relative_to(WHEEL)) for word in some)

    found = sorted(WHEEL.rglob("*_test.py"))
    return [path for path in found if (not words or has(path, words)) and not has(path, without)]


def run(
    words: Sequence[str] = (),
    without: Sequence[str] = (),
    *,
    standing_in: bool = True,
    processes: int = 0,
) -> Outcome:
    """Run the files in a process of their own.

    Raises:
      RuntimeError: a file cannot be imported, or no test was run.
    """
    plugins = ["-p", "tests.optax.stand_in"] if standing_in else []
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-c", os.devnull, f"--rootdir={WHEEL.parent}"]
        command += ["-p", "no:cacheprovider", *plugins, "-q", "--tb=short", f"-n{processes}"]
        command += [f"--junitxml={report}", *map(str, files(words, without))]
        environment = os.environ | {"PYTHONPATH": str(HERE)}
        done = subprocess.run(command, env=environment, cwd=folder, check=False)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"pytest ended with {done.returncode}")
        return read(report)


def read(report: pathlib.Path) -> Outcome:
    """The outcome of the tests in a report as JUnit writes them."""
    found: dict[str, set[str]] = {"passed": set(), "failed": set(), "skipped": set()}
    for case in ElementTree.parse(report).iter("testcase"):
        what = {child.tag for child in case}
        kind = "failed" if what & {"failure", "error"} else "passed"
        kind = "skipped" if "skipped" in what else kind
        found[kind].add(f"{case.get('classname')}.{case.get('name')}")
    return Outcome(**{kind: frozenset(names) for kind, names in found.items()})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.optax.suite", description=__doc__)
    parser.add_argument("words", nargs="*", help="in the paths of the files to run")
    parser.add_argument("--optax", action="store_true", help="test Optax itself")
    parser.add_argument("-n", type=int, default=0, dest="processes", help="run so many at a time")
    args = parser.parse_args()
    outcome = run(args.words, standing_in=not args.optax, processes=args.processes)
    for name in sorted(outcome.failed):
        print("failed" if name not in FAIL_UNDER_OPTAX else "failed, as under Optax:", name)
    print(*(f"{len(names)} {kind}" for kind, names in outcome._asdict().items()), sep=", ")
    sys.exit(not outcome.failed <= FAIL_UNDER_OPTAX)


if __name__ == "__main__":
    main()
