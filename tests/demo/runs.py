"""Runs of the command line beside the test, what they have saved, and whether two are the same."""

import json
import subprocess
import sys
import time

import numpy as np

FLAGS = ("train", "--epochs", "8", "--limit", "640", "--batch-size", "16")
STEPS = 8 * 640 // 16


def command(*flags: str) -> list[str]:
    return [sys.executable, "-m", "regopt_jax", *flags]


def start(folder, *flags):
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command(*flags), cwd=folder, **pipes)


def wait_for_step(process, saved, step):
    deadline = time.monotonic() + 120
    while process.poll() is None and max([0, *steps_saved(saved)]) < step:
        assert time.monotonic() < deadline
        time.sleep(0.003)


def steps_saved(folder):
    return [int(path.name) for path in folder.glob("*") if path.name.isdigit()]


def assert_same_run(folder, other):
    ours, theirs = (np.load(f / "out/weights.npz") for f in (folder, other))
    assert ours.files == theirs.files
    for path in ours.files:
        assert ours[path].tobytes() == theirs[path].tobytes(), path
    ours, theirs = (json.loads((f / "out/metrics.json").read_text()) for f in (folder, other))
    assert ours["epochs"] == theirs["epochs"]
