"""What must never be lost or mistaken, however a run ends: tried at random, from seeds."""

import contextlib
import multiprocessing
import random
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro
from regopt_jax.demo import cli, data, model, recipe
from regopt_jax.demo.checkpoints import Checkpoints
from regopt_jax.demo.errors import DemoError
from regopt_jax.demo.settings import settings_of
from tests.demo.runs import FLAGS, STEPS, assert_same_run, command, start, wait_for_step


def flip(content, chance):
    at = chance.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]


def zeros(content, chance):
    at = chance.randrange(len(content))
    return content[:at] + bytes(min(512, len(content) - at)) + content[at + 512 :]


DAMAGE = {
    "a bit": flip,
    "a block": zeros,
    "the end": lambda content, chance: content[: chance.randrange(len(content))],
    "too much": lambda content, chance: content + chance.randbytes(chance.randrange(1, 99)),
}


def damage(folder, chance):
    """Damage one file in a folder, or delete it; return which and how."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
    path, how = chance.choice(sorted(files)), chance.choice([*DAMAGE, "gone"])
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(DAMAGE[how](path.read_bytes(), chance))
    return f"{path.relative_to(folder)}: {how}"


def outcome(load):
    """What was loaded, or the one line that says why not."""
    try:
        return load(), None
    except DemoError as error:
        said = str(error)
    assert said.isprintable()
    return None, said


@pytest.mark.slow
def test_sigkill_at_random_moments(uninterrupted, run, tmp_path):
    flags = (*FLAGS, "--out", "out", "--checkpoint-dir", "saved", "--checkpoint-every", "2")
    chance = random.Random(0)
    for step in (0, *sorted(chance.sample(range(1, STEPS - 60), 5)), 0):
        process = start(tmp_path, *flags)
        wait_for_step(process, tmp_path / "saved", step)
        with contextlib.suppress(subprocess.TimeoutExpired):  # of a few saves, or while it starts
            process.wait(chance.uniform(0, 0.2 if step else 4))
        process.kill()
        assert process.communicate()[1] == ""
    done = run(*flags)
    assert (done.returncode, done.stderr) == (0, "")
    assert_same_run(tmp_path, uninterrupted)


@pytest.mark.slow
def test_damaged_checkpoints_are_refused_or_whole(tmp_path):
    # In a process of its own, with what Orbax leaves unfinished after a read that fails.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        assert process.submit(damaged_checkpoints, tmp_path).result() >= 30


def damaged_checkpoints(tmp_path):
    """Save two, damage the latest 90 times, and return how often it was refused."""
    settings = settings_of(cli.parser().parse_args(["train", "--limit", "32"]))
    params = model.init_params(0, np.zeros((1, 8, 8, 1), np.float32))
    state = ro.TrainState.create(params, recipe.transformation(settings, 4))
    whole = {}
    with Checkpoints(tmp_path / "saved", {"seed": 0}) as checkpoints:
        for step in (1, 2):
            state = jax.tree.map(lambda x: x + jnp.ones((), x.dtype), state)
            whole[step] = jax.tree.map(np.asarray, state)
            checkpoints.save(state, {"seconds": float(step)})

    def read(folder):
        with Checkpoints(folder, {"seed": 0}) as checkpoints:
            return checkpoints.restore(state)

    refused = 0
    for seed in range(90):
        folder = shutil.copytree(tmp_path / "saved", tmp_path / str(seed))
        what = damage(folder / "2", random.Random(seed))
        found, said = outcome(lambda folder=folder: read(folder))
        if found is None:
            refused += 1
            assert "corrupt checkpoint" in said, what
        else:
            restored, progress = found
            step = int(restored.step)
            assert progress == {"seconds": float(step)}, what
            jax.tree.map(np.testing.assert_array_equal, restored, whole[step])
        shutil.rmtree(folder)
    return refused


def test_damaged_idx_files_are_refused_or_only_pixels_differ(idx_folder, tmp_path):
    whole = data.load("fashion-mnist", idx_folder)
    refused = 0
    for seed in range(150):
        folder = shutil.copytree(idx_folder, tmp_path / "damaged")
        what = damage(folder, random.Random(seed))
        found, said = outcome(lambda folder=folder: data.load("fashion-mnist", folder))
        if found is None:
            refused += 1
            assert str(folder) in said, what
        else:
            # IDX has no checksum: a pixel or a label may be another, but none more or less.
            assert found.checksum == whole.checksum or "t10k" in what, what
            assert found.test.images.shape == whole.test.images.shape, what
            assert set(found.test.labels.tolist()) <= set(range(data.CLASSES)), what
        shutil.rmtree(folder)
    assert refused >= 75


# No file larger than so many bytes; more fail as on a full disk, with another number.
LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_loses_nothing(run, tmp_path):
    pytest.importorskip("resource")
    quick = ("train", "--epochs", "1", "--limit", "96", "--batch-size", "16")
    assert run(*quick, "--out", "whole/out").returncode == 0
    flags = (*quick, "--out", "full/out", "--checkpoint-dir", "saved", "--checkpoint-every", "1")
    failed = 0
    for size in (0, 30, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 200_000, 1_000_000):
        limited = (sys.executable, "-c", LIMITED, str(size), *command(*flags))
        done = subprocess.run(limited, cwd=tmp_path, capture_output=True, text=True)
        if done.returncode:
            failed += 1
            assert (done.returncode, done.stderr.count("\n")) == (2, 1), (size, done.stderr)
            assert done.stderr.startswith("regopt_jax: error: "), size
    assert failed >= 6
    done = run(*flags)
    assert (done.returncode, done.stderr) == (0, "")
    assert_same_run(tmp_path / "full", tmp_path / "whole")
