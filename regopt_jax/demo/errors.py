"""The one error that a user of the command line can cause."""


class DemoError(Exception):
    """Something to tell the user in one line: what is wrong, where, and what to do."""


def visible(text: str) -> str:
    r"""A text on one line: what cannot be printed, as in the name of a folder, is escaped.

    >>> print(visible("a\nb"))
    a\nb
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def one_line(error: BaseException, limit: int = 160) -> str:
    """The first line of an error's message, or its type where it has none."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
