"""The rows of the laws built from the second face, beside those built from Optax."""

import contextlib
import functools
import importlib
import pkgutil
from typing import Any

import tests.cases
from regopt_jax import optax as face
from regopt_jax.optax._substitutes import substitutes

MODULES = tuple(
    importlib.import_module(f"tests.cases.{found.name}")
    for found in pkgutil.iter_modules(tests.cases.__path__)
)


@contextlib.contextmanager
def standing_in():
    """Within it, the rows find the second face under the name ``optax``."""
    standing = [(module, module.optax) for module in MODULES if hasattr(module, "optax")]
    for module, _ in standing:
        module.optax = face
    try:
        yield
    finally:
        for module, theirs in standing:
            module.optax = theirs


def swapped(value: Any) -> Any:
    """A value with each function of Optax in it exchanged for the face's."""
    if isinstance(value, functools.partial):
        return functools.partial(
            swapped(value.func), *map(swapped, value.args), **swapped(value.keywords)
        )
    if isinstance(value, dict):
        return {key: swapped(x) for key, x in value.items()}
    return substitutes().get(id(value), value)


def through_the_face(case: Any) -> Any:
    """What ``case.theirs()`` builds, built by the second face."""
    with standing_in():
        return case.given(swapped(case.optax)())
