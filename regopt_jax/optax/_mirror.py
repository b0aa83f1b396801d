"""The modules of the second face, each made from Optax's of the same place.

A module of the face has the names of Optax's module, each with what :mod:`._substitutes` puts
in its place, or Optax's own object. So every import that works with Optax works here.

Where a program does ``sys.modules["optax"] = regopt_jax.optax``, Python still finds
``optax.contrib`` under its own name, since Optax was imported before. A :class:`StandIn` lies
there instead, which looks at who is ``optax`` now.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import pathlib
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import optax as theirs

from regopt_jax.optax._substitutes import substitutes

HERE = pathlib.Path(__file__).parent
FACE = __package__
THEIRS = theirs.__name__
OWN = frozenset({"__name__", "__package__", "__path__", "__file__", "__spec__", "__loader__"})
WRITTEN = frozenset(f"{FACE}.{found.name}" for found in pkgutil.iter_modules([str(HERE)]))

_originals: dict[str, ModuleType] = {}


def original(name: str) -> ModuleType:
    """Optax's own module, whatever lies under its name now."""
    if name not in _originals:
        module = importlib.import_module(name)
        _originals[name] = module
    return _originals[name]


def counterpart(name: str) -> str:
    """The name in the face of a module of Optax, and the other way round."""
    here, there = (FACE, THEIRS) if name.partition(".")[0] == THEIRS else (THEIRS, FACE)
    return here + name.removeprefix(there)


def reflect(name: str) -> None:
    """Fill a module of the face from Optax's."""
    module, source = sys.modules[name], original(counterpart(name))
    found = {key: x for key, x in vars(source).items() if key not in OWN}
    vars(module).update({key: _reflected(x) for key, x in found.items()})
    if "__getattr__" in found:  # of a deprecated name it warns
        vars(module)["__getattr__"] = lambda name: _reflected(found["__getattr__"](name))


def _reflected(value: Any) -> Any:
    if not isinstance(value, ModuleType):
        return substitutes().get(id(value), value)
    name = value.__name__
    return importlib.import_module(counterpart(name)) if _is_theirs(name) else value


def _is_theirs(name: str) -> bool:
    return name == THEIRS or name.startswith(f"{THEIRS}.")


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules of the face that are not written here."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith(f"{FACE}.") or fullname in WRITTEN:
            return None
        try:
            spec = importlib.util.find_spec(counterpart(fullname))
        except ImportError:
            return None
        if spec is None:
            return None
        package = spec.submodule_search_locations is not None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=package)

    def exec_module(self, module: ModuleType) -> None:
        reflect(module.__name__)


class StandIn(ModuleType):
    """Lies under the name of a module of Optax: the face's module where the face is ``optax``."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_meant(self.__name__), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_meant(self.__name__), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_meant(self.__name__), name)

    def __dir__(self) -> list[str]:
        return sorted(vars(original(self.__name__)))

    def __reduce__(self) -> Any:
        return importlib.import_module, (self.__name__,)


def _meant(name: str) -> ModuleType:
    """The module that a name of Optax's stands for now."""
    if sys.modules.get(THEIRS) is sys.modules.get(FACE):
        return importlib.import_module(counterpart(name))
    return original(name)


def _install() -> None:
    if any(isinstance(finder, Finder) for finder in sys.meta_path):
        return
    loaded = {name: module for name, module in sys.modules.items() if _is_theirs(name)}
    _originals.update(loaded)
    sys.meta_path.insert(0, Finder())
    sys.modules[FACE].__path__.extend(theirs.__path__)  # its modules that nobody imported yet
    for name, module in loaded.items():
        if name != THEIRS:
            sys.modules[name] = _stand_in(name, vars(module))


def _stand_in(name: str, attributes: Mapping[str, Any]) -> ModuleType:
    module = StandIn(name)
    vars(module).update({key: x for key, x in attributes.items() if key in OWN | {"__doc__"}})
    return module


_install()
