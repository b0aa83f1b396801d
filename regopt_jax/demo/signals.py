"""Ctrl-C and SIGTERM end the command in one line, from its first moment on.

While modules are imported, which takes seconds, the process leaves at once: an exception would be
a traceback, or lost in what was being imported. While it trains, an exception unwinds it and says
what is saved; a second signal leaves at once. So ``regopt_jax`` itself imports this module, before
any other, which does nothing unless it is the command that was started.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

WORDS: dict[int, str] = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised as Ctrl-C is."""


def status(number: int) -> int:
    """The exit status of a process that a signal ended, as shells count."""
    return 128 + number


def begin() -> None:
    """Leave at once from here on, where a signal has its default effect."""
    _replace(signal.default_int_handler, _leave)
    _replace(signal.SIG_DFL, _leave)


def raise_instead() -> None:
    """Raise :class:`KeyboardInterrupt` or :class:`Terminated`, if this process would leave."""
    _replace(_leave, _raise)


def leave_again() -> None:
    """Undo :func:`raise_instead`."""
    _replace(_raise, _leave)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Raise only after what is inside; a second signal does not wait."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        _replace(note, _leave)
        came.append(number)

    _replace(_raise, note)
    try:
        yield
    finally:
        _replace(note, _raise)
        if came:
            _raise(came[0], None)


def _replace(old: object, new: Callable[[int, FrameType | None], None]) -> None:
    for number in WORDS:
        if signal.getsignal(number) == old:
            signal.signal(number, new)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    newline = "\n" if os.isatty(2) else ""  # behind the terminal's ^C
    os.write(2, f"{newline}regopt_jax: {WORDS[number]}\n".encode())
    os._exit(status(number))


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    leave_again()
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def _is_the_command() -> bool:
    """Whether this is ``python -m regopt_jax``, whose package Python is about to import."""
    if getattr(sys, "argv", [])[:1] != ["-m"]:
        return False
    given = sys.orig_argv
    return "-m" in given and given[given.index("-m") + 1 :][:1] == ["regopt_jax"]


if _is_the_command():
    begin()
