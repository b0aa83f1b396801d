"""A pytest plugin: from here on the second face is ``optax``."""

import sys

import regopt_jax.optax


def pytest_configure() -> None:
    sys.modules["optax"] = regopt_jax.optax
