"""The data sets: images standardised by the training set's mean and deviation."""

import dataclasses
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from regopt_jax.demo import idx
from regopt_jax.demo.errors import DemoError

CLASSES = 10


@dataclasses.dataclass(frozen=True)
class Source:
    """What the command line knows of a data set before reading it."""

    title: str
    epochs: int
    batch_size: int


SOURCES = {
    "digits": Source("digits (8x8, scikit-learn)", epochs=20, batch_size=32),
    "fashion-mnist": Source("Fashion-MNIST (28x28)", epochs=6, batch_size=128),
}


@dataclasses.dataclass(frozen=True)
class Split:
    """Images as float32 of shape ``(n, height, width, 1)`` and labels as int32 ``(n,)``."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A training and a test set, and a checksum of the bytes that they were made of."""

    train: Split
    test: Split
    checksum: int


def load(name: str, folder: Path | None = None, limit: int | None = None) -> Dataset:
    """Read a data set of :data:`SOURCES`, or the first ``limit`` images of either set.

    Raises:
      DemoError: a missing folder, a missing or corrupt file.
    """
    if name == "digits":
        arrays = _digits()
    elif folder is None:
        raise DemoError(
            f"--data {name} needs --data-dir, the folder of its IDX files "
            "(Debian's package dataset-fashion-mnist: /usr/share/datasets/fashion-mnist)."
        )
    else:
        arrays = _idx_folder(folder)
    x, y, x_test, y_test = (array[:limit] for array in arrays)
    checksum = 0
    for array in (x, y, x_test, y_test):
        checksum = zlib.crc32(array.tobytes(), checksum)
    mean, deviation = x.mean(dtype=np.float64), x.std(dtype=np.float64)

    def split(images: np.ndarray, labels: np.ndarray) -> Split:
        standard = (images.astype(np.float32) - np.float32(mean)) / np.float32(deviation or 1)
        return Split(standard[..., None], labels.astype(np.int32))

    return Dataset(split(x, y), split(x_test, y_test), checksum)


def batches(n: int, size: int, seed: int, epoch: int, start: int = 0) -> Iterator[np.ndarray]:
    """The indices of an epoch's batches from number ``start`` on.

    The order depends on the seed and the epoch alone, so that a resumed run sees the
    batches it would have seen. What does not fill the last batch waits for another epoch.
    """
    order = np.random.default_rng((seed, epoch)).permutation(n)
    for i in range(start, n // size):
        yield order[i * size : (i + 1) * size]


def _digits() -> tuple[np.ndarray, ...]:
    """1797 digits, a fifth held out for the test whatever the seed."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits().images.astype(np.uint8), load_digits().target.astype(np.uint8)
    x, x_test, y, y_test = train_test_split(
        images, labels, test_size=0.2, stratify=labels, random_state=0
    )
    return x, y, x_test, y_test


def _idx_folder(folder: Path) -> tuple[np.ndarray, ...]:
    arrays: list[np.ndarray] = []
    for part in ("train", "t10k"):
        image_file = idx.find(folder, f"{part}-images-idx3-ubyte")
        label_file = idx.find(folder, f"{part}-labels-idx1-ubyte")
        images, labels = idx.read(image_file, ndim=3), idx.read(label_file, ndim=1)
        if len(images) != len(labels):
            raise DemoError(
                f"{label_file}: {len(labels)} labels for the {len(images)} images of {image_file}."
            )
        if images.size == 0:
            raise DemoError(f"{image_file}: holds no images.")
        if min(images.shape[1:]) < 4:
            raise DemoError(f"{image_file}: images of less than 4x4 pixels.")
        if labels.max() >= CLASSES:
            raise DemoError(f"{label_file}: label {labels.max()}, expected 0 to {CLASSES - 1}.")
        arrays += [images, labels]
    if arrays[0].shape[1:] != arrays[2].shape[1:]:
        raise DemoError(f"{folder}: training and test images differ in size.")
    return tuple(arrays)
