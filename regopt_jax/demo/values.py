"""Values on the command line: numbers, checked against their range, names and patterns."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path


def number(
    kind: type[int] | type[float],
    low: float,
    high: float = math.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> Callable[[str], float]:
    """An argparse type: a finite number of an interval."""
    name = "an integer" if kind is int else "a number"
    where = f"{'above' if open_low else 'of at least'} {low}"
    if high < math.inf:
        where += f" and {'below' if open_high else 'at most'} {high}"

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        above = value > low if open_low else value >= low
        below = value < high if open_high else value <= high
        if not (above and below and math.isfinite(value)):
            raise argparse.ArgumentTypeError(f"{text!r} is not {name} {where}")
        return value

    return parse


def folder(text: str) -> Path:
    """An argparse type: the name of a folder, which may not be there yet."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name is no folder ('.' is the current one)")
    return Path(text)


def glob(text: str) -> str:
    """An argparse type: a pattern that can match something."""
    if not text:
        raise argparse.ArgumentTypeError("an empty pattern matches nothing")
    return text
