"""Names that do not exist, answered with those that do."""

import difflib
import sys
from typing import Never


def suggest(module: str) -> None:
    """Let a module's missing attributes name the public ones nearest to them.

    Its ``__getattr__`` is set here and not written there: a type checker that sees one takes
    every name for an attribute.
    """
    attributes = vars(sys.modules[module])

    def missing(name: str) -> Never:
        public = {known.lower(): known for known in attributes if not known.startswith("_")}
        longer = sorted((known for known in public if name.lower() in known), key=len)[:3]
        near = [
            public[known] for known in longer or difflib.get_close_matches(name.lower(), public)
        ]
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise AttributeError(f"module {module!r} has no attribute {name!r}.{hint}", name=name)

    attributes["__getattr__"] = missing
