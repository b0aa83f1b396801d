"""Reading IDX files, honest about bad ones, and the order of the batches."""

import struct

import numpy as np
import pytest

from regopt_jax.demo import data, idx
from regopt_jax.demo.errors import DemoError
from tests.demo.conftest import write_idx


def test_reads_plain_and_gzipped_files(idx_folder):
    dataset = data.load("fashion-mnist", idx_folder)
    assert dataset.train.images.shape == (40, 8, 8, 1)
    assert dataset.test.images.shape == (20, 8, 8, 1)
    assert dataset.train.images.dtype == np.float32
    assert dataset.train.labels.dtype == np.int32
    np.testing.assert_allclose(dataset.train.images.mean(), 0, atol=1e-5)
    np.testing.assert_allclose(dataset.train.images.std(), 1, rtol=1e-5)


def test_limit_and_checksum(idx_folder):
    whole, part = data.load("fashion-mnist", idx_folder), data.load("fashion-mnist", idx_folder, 7)
    assert (len(part.train), len(part.test)) == (7, 7)
    assert part.checksum != whole.checksum
    assert whole.checksum == data.load("fashion-mnist", idx_folder).checksum


def _replace(content):
    return lambda path: path.write_bytes(content)


def _edit(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        ("t10k-images-idx3-ubyte", _edit(lambda b: b[:-1]), "truncated"),
        ("t10k-images-idx3-ubyte", _edit(lambda b: b + b"0"), "too long"),
        ("t10k-images-idx3-ubyte", _edit(lambda b: b"\0\0\x0d\x03" + b[4:]), "magic number"),
        ("t10k-images-idx3-ubyte", _replace(b""), "too short"),
        ("t10k-images-idx3-ubyte", _replace(struct.pack(">4I", 0x803, 0, 8, 8)), "0 images"),
        ("t10k-labels-idx1-ubyte", _edit(lambda b: b[:-1] + b"\x0b"), "label 11"),
        ("train-images-idx3-ubyte.gz", _edit(lambda b: b[:-20]), "corrupt gzip"),
        ("train-images-idx3-ubyte.gz", _edit(lambda b: b"no gzip"), "corrupt gzip"),
        ("train-images-idx3-ubyte.gz", _edit(lambda b: b[:99] + b"?" * 9 + b[108:]), "corrupt"),
        ("train-labels-idx1-ubyte.gz", lambda path: path.unlink(), "has neither"),
    ],
)
def test_a_bad_file_is_named(idx_folder, file, damage, said):
    damage(idx_folder / file)
    with pytest.raises(DemoError) as error:
        data.load("fashion-mnist", idx_folder)
    message = str(error.value)
    assert said in message
    assert file.removesuffix(".gz") in message
    assert "\n" not in message


def test_sizes_that_do_not_match(idx_folder):
    write_idx(idx_folder / "t10k-images-idx3-ubyte", np.zeros((20, 9, 9), np.uint8))
    with pytest.raises(DemoError, match="differ in size"):
        data.load("fashion-mnist", idx_folder)
    write_idx(idx_folder / "t10k-labels-idx1-ubyte", np.zeros(3, np.uint8))
    with pytest.raises(DemoError, match="3 labels for the 20 images"):
        data.load("fashion-mnist", idx_folder)


def test_a_missing_folder(tmp_path):
    with pytest.raises(DemoError, match="no such folder"):
        data.load("fashion-mnist", tmp_path / "nowhere")
    with pytest.raises(DemoError, match="needs --data-dir"):
        data.load("fashion-mnist")


def test_round_trip(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    for name in ("plain", "packed.gz"):
        write_idx(tmp_path / name, array)
        np.testing.assert_array_equal(idx.read(tmp_path / name, ndim=3), array)


def test_batches_of_an_epoch_resume_where_they_stopped():
    whole = list(data.batches(23, 5, seed=3, epoch=2))
    assert len(whole) == 4
    assert len(np.unique(np.concatenate(whole))) == 20
    resumed = list(data.batches(23, 5, seed=3, epoch=2, start=2))
    np.testing.assert_array_equal(resumed, whole[2:])
    assert not np.array_equal(whole, list(data.batches(23, 5, seed=3, epoch=3)))
    assert not np.array_equal(whole, list(data.batches(23, 5, seed=4, epoch=2)))
