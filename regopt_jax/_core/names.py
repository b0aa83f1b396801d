"""Names that do not exist, answered with those that do, and old names, with the new ones."""

import difflib
import sys
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

RENAMED: Mapping[str, str] = {}


def suggest(module: str, renamed: Mapping[str, str] = RENAMED) -> None:
    """Let a module's missing attributes name the public ones nearest to them.

    Its ``__getattr__`` is set here and not written there: a type checker that sees one takes
    every name for an attribute.

    Args:
      module: its name.
      renamed: old public names and the new ones. An old one still works, for one release, and
        warns.
    """
    attributes = vars(sys.modules[module])

    def missing(name: str) -> Any:
        if name in renamed:
            warnings.warn(
                f"{module}.{name} is now {module}.{renamed[name]}; the old name goes with the "
                "next release.",
                DeprecationWarning,
                stacklevel=2,
            )
            return attributes[renamed[name]]
        hint = _nearest(name, [known for known in attributes if not known.startswith("_")])
        raise AttributeError(f"module {module!r} has no attribute {name!r}.{hint}", name=name)

    attributes["__getattr__"] = missing


def refuse_unknown(who: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Require each keyword to be an argument of ``who``.

    Raises:
      TypeError: names one that is not, and those nearest to it.

    >>> refuse_unknown("recommended", ["warmup"], ["total_steps", "warmup_fraction"])
    Traceback (most recent call last):
    ...
    TypeError: recommended takes no argument warmup. Did you mean warmup_fraction?
    """
    arguments = list(known)
    for name in given:
        if name not in arguments:
            raise TypeError(f"{who} takes no argument {name}.{_nearest(name, arguments)}")


def _nearest(name: str, public: Iterable[str]) -> str:
    """A question that ends with the names nearest to one; nothing where none is near."""
    lower = {known.lower(): known for known in public}
    longer = sorted((known for known in lower if name.lower() in known), key=len)[:3]
    near = [lower[known] for known in longer or difflib.get_close_matches(name.lower(), lower)]
    return f" Did you mean {' or '.join(near)}?" if near else ""
