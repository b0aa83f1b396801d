"""Compiler options that are safe and measured to help, by backend."""

import functools
from typing import Any

import jax

# Without it XLA copies an array that one loop reads and another overwrites (Lion's
# momentum, the parameters of a step that may be held back), 4 bytes a parameter.
_CPU: dict[str, Any] = {"xla_cpu_copy_insertion_use_region_analysis": True}


def known_options(options: dict[str, Any]) -> dict[str, Any]:
    """Those that this version of XLA knows on the default backend."""

    def known(name: str) -> bool:
        try:
            jax.jit(lambda x: x).lower(0.0).compile({name: options[name]})
        except jax.errors.JaxRuntimeError:
            return False
        return True

    return {name: options[name] for name in filter(known, options)}


@functools.cache
def compiler_options() -> dict[str, Any] | None:
    """The options for ``jax.jit`` on the default backend; None where there are none."""
    if jax.default_backend() != "cpu":
        return None
    return known_options(_CPU) or None
