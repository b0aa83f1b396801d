"""``list``: the catalogue on the screen, or as Markdown."""

import argparse

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from regopt_jax.demo.errors import DemoError
from regopt_jax.inspect.catalogue import ABOUT, HEADS, KINDS, Entry, catalogue, markdown


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
    for kind in KINDS:
        rows = [entry for entry in entries if entry.kind == kind]
        if rows:
            console.print(_table(kind, rows))
    console.print(ABOUT.replace("\n", " "), highlight=False)


def _table(kind: str, entries: list[Entry]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=kind, title_justify="left")
    table.add_column(f"{HEADS[0]} and {HEADS[1]}", ratio=1)
    for heading in HEADS[2:]:
        table.add_column(heading, justify="right" if heading == "bytes" else "left")
    for entry in entries:
        name, equation, *rest = entry.cells
        table.add_row(Text(name, style="bold").append(f"\n  {equation}", style="not bold"), *rest)
    return table
