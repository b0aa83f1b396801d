"""The IDX format of MNIST and its heirs: a magic number, big-endian sizes, raw bytes."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from regopt_jax.demo.errors import DemoError, one_line

UNSIGNED_BYTE = 0x08


def read(path: Path, ndim: int) -> np.ndarray:
    """The uint8 array of ``ndim`` axes in an IDX file, gzip-compressed or not.

    Raises:
      DemoError: names the file and what is wrong with it.
    """
    data = _bytes(path)
    header = 4 + 4 * ndim
    magic = UNSIGNED_BYTE << 8 | ndim
    if len(data) < header:
        raise DemoError(f"{path}: corrupt IDX file: {len(data)} bytes, too short for a header.")
    found, *shape = struct.unpack(f">{1 + ndim}I", data[:header])
    if found != magic:
        raise DemoError(
            f"{path}: not an IDX file of bytes with {ndim} axes: "
            f"magic number 0x{found:08x}, expected 0x{magic:08x}."
        )
    body = len(data) - header
    if body != math.prod(shape):
        what = "truncated" if body < math.prod(shape) else "too long"
        raise DemoError(
            f"{path}: corrupt IDX file, {what}: the header says {' x '.join(map(str, shape))} "
            f"bytes, {body} follow."
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def find(folder: Path, name: str) -> Path:
    """The file ``name`` or ``name.gz`` in a folder.

    Raises:
      DemoError: the folder or the file is missing.
    """
    if not folder.is_dir():
        raise DemoError(f"--data-dir {folder}: no such folder.")
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise DemoError(f"--data-dir {folder}: has neither {name} nor {name}.gz.")


def _bytes(path: Path) -> bytes:
    try:
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path) as file:
            return file.read()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DemoError(f"{path}: corrupt gzip file: {one_line(error)}.") from error
    except OSError as error:
        raise DemoError(f"{path}: cannot be read: {error.strerror}.") from error
