"""The command line run as a user runs it, and a small folder of IDX files."""

import gzip
import os
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.demo.runs import FLAGS, command

pytest.importorskip("flax")
pytest.importorskip("orbax.checkpoint")
pytest.importorskip("rich")
pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A folder with the results and the checkpoints of a whole run."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    flags = ("--out", "out", "--checkpoint-dir", "saved", "--checkpoint-every", "7")
    subprocess.run(command(*FLAGS, *flags), cwd=folder, capture_output=True, check=True)
    return folder


@pytest.fixture
def run(tmp_path):
    """Run the command line in a folder of its own."""

    def run(*flags: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"COLUMNS": "80"}
        return subprocess.run(
            command(*flags), cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    return run


@pytest.fixture
def here(tmp_path, monkeypatch, capfd):
    """Run the command line in this process, in a folder of its own: sooner, and as exact."""
    from regopt_jax import __main__

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))

    def here(*flags: str) -> subprocess.CompletedProcess[str]:
        status = __main__.main(flags)
        return subprocess.CompletedProcess(flags, status, *capfd.readouterr())

    return here


def write_idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(f">{1 + array.ndim}I", 0x0800 | array.ndim, *array.shape)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wb") as file:
        file.write(header + array.tobytes())


@pytest.fixture
def idx_folder(tmp_path):
    """Four files in the manner of MNIST, the training set's gzipped."""
    folder = tmp_path / "idx"
    folder.mkdir()
    random = np.random.default_rng(0)
    for part, n, suffix in (("train", 40, ".gz"), ("t10k", 20, "")):
        labels = (np.arange(n) % 10).astype(np.uint8)
        images = random.integers(0, 256, (n, 8, 8), np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte{suffix}", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte{suffix}", labels)
    return folder
