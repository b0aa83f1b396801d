"""The keys that noise is drawn with."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from regopt_jax._core import Array


def as_key(who: str, key: Any) -> Array:
    """A key of ``jax.random.key`` as it is; of a seed, its key.

    Raises:
      TypeError: it is neither.
    """
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return key
    try:
        return jax.random.key(key)
    except TypeError as error:
        raise TypeError(
            f"{who}: key must be a key of jax.random.key or an integer, got {key!r}."
        ) from error


def key_or_seed(who: str, key: Any, seed: int | None) -> Any:
    """The one that is given, or ``None``.

    Raises:
      ValueError: both are.
    """
    if key is not None and seed is not None:
        raise ValueError(f"{who}: give key or seed, not both.")
    return seed if key is None else key


def among(leaves: Sequence[Any], keys: Any) -> list[Array | None]:
    """The keys in turn, one for each leaf that has a gradient."""
    given = iter(keys)
    return [None if g is None else next(given) for g in leaves]
