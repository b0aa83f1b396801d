"""Checkpoints that are whole or not there, and are checked when read.

Orbax writes beside and commits at the end, so a killed process leaves the last whole
checkpoint. A digest of everything in it tells damage from a file system apart. A lock of the
operating system, gone with the process however that dies, keeps a second run out of the folder:
each would clean up what the other is writing.
"""

import hashlib
import json
import logging
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import absl.logging
import filelock
import jax
import numpy as np
import orbax.checkpoint as ocp

import regopt_jax as ro
from regopt_jax.demo import signals
from regopt_jax.demo.errors import DemoError, one_line

KEPT = 2
LOCK = ".lock"
# Orbax looks for files with the whole path as a pattern, and so may save what it cannot read.
PATTERN = frozenset("[]*?\\")
Progress = dict[str, Any]


class Checkpoints:
    """The checkpoints of one run in one folder, a context manager that keeps others out of it.

    Args:
      folder: made if it is not there.
      run: the settings that the result depends on, as JSON values.

    Raises:
      DemoError: the folder cannot be used, or another process uses it.
    """

    @signals.held()
    def __init__(self, folder: Path, run: dict[str, Any]):
        absl.logging.set_verbosity(absl.logging.FATAL)
        for name in ("absl", "asyncio"):  # the latter tells of each write that a full disk refused
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.folder = folder
        self.run = run
        if folder.exists() and not folder.is_dir():
            raise DemoError(f"--checkpoint-dir {folder}: is not a folder.")
        if found := sorted(PATTERN & set(str(folder.absolute()))):
            raise DemoError(
                f"--checkpoint-dir {folder.absolute()}: Orbax cannot read what it saves in a path "
                f"with {' or '.join(found)}; use another."
            )
        self._lock = _locked(folder)
        try:
            self._manager = ocp.CheckpointManager(
                folder.absolute(),
                options=ocp.CheckpointManagerOptions(
                    max_to_keep=KEPT,
                    cleanup_tmp_directories=True,
                    # The next step reuses the memory that a save in the background would read.
                    enable_async_checkpointing=False,
                ),
            )
            self.latest: int | None = self._manager.latest_step()
        except Exception as error:
            self._lock.release()
            raise DemoError(
                f"--checkpoint-dir {folder}: cannot be used: {one_line(error)}"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()
        if isinstance(error, KeyboardInterrupt):
            error.add_note(
                f"nothing is saved yet in {self.folder}"
                if self.latest is None
                else f"step {self.latest} is saved in {self.folder}, where the same command goes on"
            )

    @signals.held()
    def save(self, state: ro.TrainState, progress: Progress) -> None:
        """Save after ``state.step`` steps, unless that is done.

        Raises:
          DemoError: the folder cannot be written.
        """
        step = int(state.step)
        if step == self.latest:
            return
        record: dict[str, Any] = {"run": self.run, "progress": progress}
        record["digest"] = _digest(state, record)
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state), record=ocp.args.JsonSave(record)
        )
        try:
            self._manager.save(step, args=items, force=True)
        except Exception as error:
            raise DemoError(
                f"--checkpoint-dir {self.folder}: cannot save step {step}: {one_line(error)}"
            ) from error
        self.latest = step

    @signals.held()
    def restore(self, like: ro.TrainState) -> tuple[ro.TrainState, Progress]:
        """The latest checkpoint, its state with the structure of ``like``.

        Raises:
          DemoError: it is corrupt, or of a run with other settings.
        """
        step = self.latest
        try:
            found = self._manager.restore(
                step, args=ocp.args.Composite(record=ocp.args.JsonRestore())
            )
            record = dict(found["record"])
            digest, run = record.pop("digest"), dict(record["run"])
        except Exception as error:
            raise self._corrupt(error) from error
        self._require_same(run)
        try:
            target = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
            found = self._manager.restore(
                step, args=ocp.args.Composite(state=ocp.args.StandardRestore(target))
            )
            state: ro.TrainState = found["state"]
            if digest != _digest(state, record):
                raise ValueError("its digest does not match its content")
        except Exception as error:
            raise self._corrupt(error) from error
        return state, record["progress"]

    def _require_same(self, run: dict[str, Any]) -> None:
        names = sorted(set(run) | set(self.run))
        differ = [n for n in names if run.get(n) != self.run.get(n)]
        if differ:
            said = ", ".join(
                f"{name.replace('_', '-')} {run.get(name)} (now {self.run.get(name)})"
                for name in differ
            )
            raise DemoError(
                f"--checkpoint-dir {self.folder}: holds a run with other settings: {said}. "
                "Use the same flags, or another folder."
            )

    def _corrupt(self, error: Exception) -> DemoError:
        # Orbax's own messages run over many lines and name internals; its type is enough.
        why = one_line(error) if isinstance(error, ValueError) else type(error).__name__
        return DemoError(
            f"{self.folder / str(self.latest)}: corrupt checkpoint ({why[:80]}); delete this "
            f"folder to continue from the one before, or {self.folder} to start again."
        )


def _locked(folder: Path) -> filelock.BaseFileLock:
    """The lock of a folder, held; the folder is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A marker file in place of a lock would outlive a killed process.
        lock = filelock.FileLock(folder / LOCK, timeout=0, fallback_to_soft=False)
        lock.acquire()
    except filelock.Timeout:
        raise DemoError(
            f"--checkpoint-dir {folder}: another process is training in it; wait for it to end, "
            "or use another folder."
        ) from None
    except OSError as error:
        raise DemoError(
            f"--checkpoint-dir {folder}: cannot be locked ({error.strerror}), so a second run "
            "could not be kept out; use a folder that can be written, on a file system with locks."
        ) from error
    return lock


def _digest(state: ro.TrainState, record: dict[str, Any]) -> str:
    """SHA-256 of every array of the state and of the record."""
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode())
    for path, leaf in jax.tree.leaves_with_path(state):
        array = np.asarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
