"""Gradient transformations, by idea; under Optax's names also those of other packages here."""

from typing import Any

import optax

from regopt_jax import _forward
from regopt_jax.transforms.clip import clip as clip


def __getattr__(name: str) -> Any:
    return _forward.from_root(optax.transforms, name)
