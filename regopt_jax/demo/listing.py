"""``list``: the catalogue on the screen, or as Markdown."""

import argparse
import os

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from regopt_jax.demo.errors import DemoError
from regopt_jax.inspect.catalogue import ABOUT, KINDS, RIGHT, Entry, catalogue, markdown, table

WIDE = 160


def run_list(args: argparse.Namespace, console: Console) -> None:
    """Print the entries whose name contains the word, a table for each kind."""
    if args.markdown:
        if args.word:
            raise DemoError("--markdown writes the whole table; leave out the word.")
        print(markdown(), end="")
        return
    entries = [entry for entry in catalogue() if args.word in entry.name]
    if not entries:
        raise DemoError(f"no name contains {args.word!r}.")
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDE
    for kind in KINDS:
        if any(entry.kind == kind for entry in entries):
            console.print(_table(kind, entries))
    if any(entry.bytes_per_parameter is not None for entry in entries):
        console.print(ABOUT.replace("\n", " "), highlight=False)


def _table(kind: str, entries: list[Entry]) -> Table:
    heads, rows = table(kind, entries)
    shown = Table(box=box.SIMPLE_HEAD, title=kind, title_justify="left")
    shown.add_column(f"{heads[0]} and {heads[1]}", ratio=1)
    for heading in heads[2:]:
        shown.add_column(heading, justify="right" if heading in RIGHT else "left")
    for name, equation, *rest in rows:
        shown.add_row(Text(name, style="bold").append(f"\n  {equation}", style="not bold"), *rest)
    return shown
