"""Killed at any moment and started again, a run ends on the same bits."""

import json
import re
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest

from tests.demo.conftest import command

FLAGS = ("train", "--epochs", "8", "--limit", "640", "--batch-size", "16")
STEPS = 8 * 640 // 16


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A folder with the results and the checkpoints of a whole run."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    flags = ("--out", "out", "--checkpoint-dir", "saved", "--checkpoint-every", "7")
    subprocess.run(command(*FLAGS, *flags), cwd=folder, capture_output=True, check=True)
    return folder


def assert_same_run(folder, other):
    ours, theirs = (np.load(f / "out/weights.npz") for f in (folder, other))
    assert ours.files == theirs.files
    for path in ours.files:
        assert ours[path].tobytes() == theirs[path].tobytes(), path
    ours, theirs = (json.loads((f / "out/metrics.json").read_text()) for f in (folder, other))
    assert ours["epochs"] == theirs["epochs"]


def steps_saved(folder):
    return [int(path.name) for path in folder.glob("*") if path.name.isdigit()]


def kill_and_resume(folder, run, moments, every="7"):
    """Kill the run at each moment: a step saved, or seconds; return the last run's output."""
    flags = (*FLAGS, "--out", "out", "--checkpoint-dir", "saved", "--checkpoint-every", every)
    for after in moments:
        process = subprocess.Popen(
            command(*flags), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 120
        while process.poll() is None and max([0, *steps_saved(folder / "saved")]) < after:
            assert time.monotonic() < deadline
            time.sleep(0.003)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    done = run(*flags)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_sigkill_then_bit_identical_weights(uninterrupted, run, tmp_path):
    # Not at the end of an epoch, so that half an epoch has to be told apart too.
    output = kill_and_resume(tmp_path, run, moments=[97])
    resumed = int(re.search(r"Continuing from step (\d+)", output).group(1))
    assert 97 <= resumed < STEPS
    assert_same_run(tmp_path, uninterrupted)


@pytest.mark.slow
def test_sigkill_many_times(uninterrupted, run, tmp_path):
    kill_and_resume(tmp_path, run, moments=range(20, 300, 23), every="1")
    assert_same_run(tmp_path, uninterrupted)


@pytest.fixture
def finished(uninterrupted, tmp_path):
    shutil.copytree(uninterrupted / "saved", tmp_path / "saved")
    return tmp_path / "saved"


def test_a_finished_run_is_reported_again(uninterrupted, finished, here, tmp_path):
    done = here(*FLAGS, "--out", "out", "--checkpoint-dir", "saved")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"finished after {STEPS} steps" in done.stdout
    assert "epoch 1/8" not in done.stdout
    assert_same_run(tmp_path, uninterrupted)


def test_other_settings_are_refused(finished, here):
    done = here(*FLAGS, "--checkpoint-dir", "saved", "--learning-rate", "0.5")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "learning-rate 0.003 (now 0.5)" in done.stderr


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    path.write_bytes(content)


DAMAGE = {
    "a bit of an array": lambda step: flip(
        max((p for p in step.rglob("d/*") if p.is_file()), key=lambda p: p.stat().st_size)
    ),
    "a digit of the record": lambda step: (step / "record/metadata").write_text(
        re.sub(r"(train_loss\D*\d)\.\d", r"\1.9", (step / "record/metadata").read_text(), count=1)
    ),
    "everything": lambda step: [p.write_bytes(b"") for p in step.rglob("*") if p.is_file()],
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_corrupt_checkpoint_is_one_line(finished, here, what):
    latest = finished / str(max(steps_saved(finished)))
    DAMAGE[what](latest)
    done = here(*FLAGS, "--checkpoint-dir", "saved")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"saved/{latest.name}: corrupt checkpoint" in done.stderr
    assert "delete this folder" in done.stderr
