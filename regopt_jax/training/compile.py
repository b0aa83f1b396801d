"""Compiler options that are safe and measured to help, by backend."""

import functools

import jax

# Without it XLA copies an array that one loop reads and another overwrites (Lion's
# momentum, the parameters of a step that may be held back), 4 bytes a parameter.
_CPU: dict[str, str | bool] = {"xla_cpu_copy_insertion_use_region_analysis": True}


@functools.cache
def compiler_options() -> dict[str, str | bool] | None:
    """The options for ``jax.jit`` on the default backend; None where there are none."""
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda x: x).lower(0.0).compile(_CPU)
    except jax.errors.JaxRuntimeError:  # A version of XLA without the option.
        return None
    return dict(_CPU)
