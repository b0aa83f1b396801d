"""Killed at any moment and started again, a run ends on the same bits."""

import errno
import os
import re
import shutil
import signal

import pytest

from tests.demo.runs import FLAGS, STEPS, assert_same_run, start, steps_saved, wait_for_step


def test_sigkill_then_bit_identical_weights(uninterrupted, run, tmp_path):
    # Not at the end of an epoch, so that half an epoch has to be told apart too.
    flags = (*FLAGS, "--out", "out", "--checkpoint-dir", "saved", "--checkpoint-every", "7")
    process = start(tmp_path, *flags)
    wait_for_step(process, tmp_path / "saved", 97)
    process.kill()
    assert process.communicate()[1] == ""
    assert process.returncode == -signal.SIGKILL
    assert (tmp_path / "saved/.lock").exists()  # and yet the next run gets it
    done = run(*flags)
    assert (done.returncode, done.stderr) == (0, "")
    resumed = int(re.search(r"Continuing from step (\d+)", done.stdout).group(1))
    assert 97 <= resumed < STEPS
    assert_same_run(tmp_path, uninterrupted)


def test_a_second_process_is_kept_out(uninterrupted, here, tmp_path):
    flags = (*FLAGS, "--out", "out", "--checkpoint-dir", "saved", "--checkpoint-every", "7")
    first = start(tmp_path, *flags)
    wait_for_step(first, tmp_path / "saved", 14)
    second = here(*flags)
    assert first.poll() is None
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert "--checkpoint-dir saved: another process is training in it" in second.stderr
    assert first.communicate()[1] == ""
    assert_same_run(tmp_path, uninterrupted)


STOPPED = {signal.SIGINT: ("interrupted", 130), signal.SIGTERM: ("terminated", 143)}


@pytest.mark.parametrize("number", STOPPED, ids=lambda number: number.name)
def test_a_signal_says_what_is_saved(tmp_path, number):
    word, status = STOPPED[number]
    process = start(tmp_path, *FLAGS, "--checkpoint-dir", "saved", "--checkpoint-every", "1")
    wait_for_step(process, tmp_path / "saved", 5)
    process.send_signal(number)  # most likely while it saves, which it ends first
    _, said = process.communicate()
    step = max(steps_saved(tmp_path / "saved"))
    goes_on = "where the same command goes on"
    assert said == f"regopt_jax: {word}; step {step} is saved in saved, {goes_on}\n"
    assert process.returncode == status
    assert not list((tmp_path / "saved").glob("*tmp*"))


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP], ids=os.strerror)
def test_a_file_system_without_locks_is_refused(here, monkeypatch, error):
    # NFS whose servers run no lock daemon, Lustre without -o flock and some of FUSE.
    fcntl = pytest.importorskip("fcntl")

    def flock(fd, operation):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(fcntl, "flock", flock)
    done = here(*FLAGS, "--checkpoint-dir", "saved")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"--checkpoint-dir saved: cannot be locked ({os.strerror(error)})" in done.stderr


def test_a_folder_of_any_name_is_one_line(here, tmp_path):
    quick = ("train", "--epochs", "1", "--limit", "32")
    name = "a\nb {red} %s"
    for said in ("epoch 1/1", "holds this run, finished after 1 steps"):
        done = here(*quick, "--out", f"[red]{name}", "--checkpoint-dir", name)
        assert (done.returncode, done.stderr) == (0, "")
        assert said in done.stdout
    assert "\na\\nb {red} %s holds this run" in done.stdout
    assert "Saved in [red]a\\nb {red} %s: metrics.json" in done.stdout
    done = here(*quick, "--seed", "1", "--checkpoint-dir", name)
    assert done.stderr.count("\n") == 1
    assert "--checkpoint-dir a\\nb {red} %s: holds a run with other settings" in done.stderr


@pytest.mark.parametrize("character", sorted("[]*?\\"))
def test_a_folder_that_orbax_cannot_read_is_refused(here, tmp_path, character):
    done = here("train", "--checkpoint-dir", f"a{character}b/saved")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"in a path with {character};" in done.stderr
    assert not list(tmp_path.glob("a*"))


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
