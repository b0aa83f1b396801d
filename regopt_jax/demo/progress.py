"""What is on the screen while training: a bar on a terminal, one line an epoch elsewhere."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from regopt_jax.demo.errors import visible

REFRESH_SECONDS = 0.1


def say(console: Console, text: str) -> None:
    """Print a line as it is: names of folders are neither markup nor more than one line."""
    console.print(visible(text), markup=False, highlight=False, soft_wrap=True)


class Display:
    """A progress display over all steps of a run, used as a context manager."""

    def __init__(self, console: Console, label: str, epochs: int, total_steps: int, done: int):
        self._console = console
        self._label = label
        self._epochs = epochs
        self._shown = 0.0
        self._bar: Progress | None = None
        if not console.is_terminal:
            return
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            expand=True,
        )
        numbers = "compiling" if done < total_steps else ""
        self._task = self._bar.add_task(label, total=total_steps, completed=done, numbers=numbers)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def step(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Show a step's loss, accuracy and learning rate, at most ten times a second."""
        # Reading a metric waits for the step, so only where it will be seen.
        if not self._bar or time.monotonic() - self._shown < REFRESH_SECONDS:
            return
        self._shown = time.monotonic()
        aux = metrics["aux"]
        numbers = (
            f"loss {float(aux['loss']):.3f}  acc {float(aux['accuracy']):6.1%}  "
            f"lr {float(metrics['learning_rate']):.1e}"
        )
        self._bar.update(self._task, completed=step, numbers=numbers)

    def epoch(self, step: int, row: Mapping[str, Any]) -> None:
        """Show an epoch's means and its test accuracy."""
        if self._bar:
            numbers = (
                f"loss {row['train_loss']:.3f}  test {row['test_accuracy']:6.2%}  "
                f"lr {row['learning_rate']:.1e}"
            )
            self._bar.update(self._task, completed=step, numbers=numbers)
            return
        width = len(str(self._epochs))
        say(
            self._console,
            f"{self._label}: epoch {row['epoch']:>{width}}/{self._epochs}  "
            f"loss {row['train_loss']:.4f}  accuracy {row['train_accuracy']:.2%}  "
            f"test {row['test_accuracy']:.2%}  lr {row['learning_rate']:.1e}",
        )
