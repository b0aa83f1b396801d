"""Names that Optax keeps in a module and this package keeps under its own root."""

import sys
from types import ModuleType
from typing import Any

ROOT = __package__.partition(".")[0]


def from_root(theirs: ModuleType, name: str) -> Any:
    """The root's ``name``, if Optax has it in the module ``theirs``.

    For the ``__getattr__`` of a module: it looks the name up when it is used, and imports
    nothing, so that a lower layer can offer what a higher one defines.

    Raises:
      AttributeError: the name is not in Optax's module, or not here.
    """
    if name.startswith("_") or not hasattr(theirs, name):
        here = theirs.__name__.replace("optax", ROOT, 1)
        raise AttributeError(f"module {here!r} has no attribute {name!r}")
    return getattr(sys.modules[ROOT], name)
