r"""Formats: how an array is kept in few bits.

A format is a value: equal, hashable, with ``encode`` and ``decode``. Zeros stay zero, signs stay,
±inf and NaN come back. The blocks of a scaled format run along the last axis, so that they follow
shards and stacked layers; see ``README.md`` for the equations and which to take when.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from regopt_jax._core.trees import Array


@dataclasses.dataclass(frozen=True, repr=False)
class Format:
    """How an array is kept; a subclass says how a real one is.

    Attributes:
      name: what it is called where it keeps signs.
      sibling: what it is called where it does not, if something else.
      signed: whether it keeps signs; else it keeps what is never negative, and what is positive
        stays positive.
    """

    name: str
    sibling: str = ""
    signed: bool = True

    @property
    def bytes_per_element(self) -> float:
        """The bytes that an element of a long array takes, its share of a scale included."""
        raise NotImplementedError

    def of(self, signed: bool) -> "Format":
        """The sibling that keeps signs, or that keeps what is never negative."""
        return dataclasses.replace(self, signed=signed)

    def encode(self, x: Array) -> Any:
        """What is kept of an array: a pytree of arrays; of a complex one, of both its parts."""
        x = jnp.asarray(x)
        if jnp.iscomplexobj(x):
            return self.encode(x.real), self.encode(x.imag)
        return self._encode(x if x.dtype == jnp.float64 else x.astype(jnp.float32))

    def decode(self, kept: Any, dtype: Any = jnp.float32) -> Array:
        """The array again, in a dtype."""
        if jnp.issubdtype(dtype, jnp.complexfloating):
            return jax.lax.complex(*(self.decode(x, jnp.finfo(dtype).dtype) for x in kept))
        return self._decode(kept).astype(dtype)

    def _encode(self, x: Array) -> Any:
        raise NotImplementedError

    def _decode(self, kept: Any) -> Array:
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.name if self.signed else self.sibling or self.name


@dataclasses.dataclass(frozen=True, repr=False)
class Rounded(Format):
    """The upper half of a float32: 8 bits of exponent, 8 of precision."""

    bytes_per_element = 2.0

    def _encode(self, x: Array) -> Array:
        return x.astype(jnp.bfloat16)

    def _decode(self, kept: Array) -> Array:
        return kept


@dataclasses.dataclass(frozen=True, repr=False)
class Corrected(Format):
    r"""A bfloat16 and an integer of the bits that it lost.

    .. math:: x ≈ \operatorname{float32}(2^{16} \operatorname{bits}(b) + 2^{16-k} r), \qquad
       b = \operatorname{bfloat16}(x), \quad r \text{ of } k \text{ bits}

    Numbers of one sign are in the order of their bits, so their differences know no exponent. With
    16 bits the two are the float32.
    """

    bits: int = 8

    @property
    def bytes_per_element(self) -> float:
        """Two, and those of the correction."""
        return 2 + self.bits / 8

    def _encode(self, x: Array) -> tuple[Array, Array]:
        x = x.astype(jnp.float32)
        rounded = nearest(x, jnp.bfloat16)
        return rounded, self.correction(x, rounded)

    def _decode(self, kept: tuple[Array, Array]) -> Array:
        rounded, correction = kept
        return self.corrected(rounded, correction)

    def correction(self, x: Array, rounded: Array) -> Array:
        """What the rounded lacks to x, for a rounded next to it."""
        unit, half = 1 << (16 - self.bits), 1 << (self.bits - 1)
        lost = _bits(x) - _bits(rounded.astype(jnp.float32))
        steps = jnp.clip((lost + unit // 2) // unit, -half, half - 1)
        return jnp.where(jnp.isfinite(x), steps, 0).astype(f"int{self.bits}")

    def corrected(self, rounded: Array, correction: Array) -> Array:
        """The float32 that a bfloat16 and its correction stand for; zero of zero."""
        unit = 1 << (16 - self.bits)
        bits = _bits(rounded.astype(jnp.float32)) + correction.astype(jnp.int32) * unit
        # A zero that someone has put in the place of a number has no use for its correction.
        return jnp.where(rounded == 0, 0, jax.lax.bitcast_convert_type(bits, jnp.float32))


def nearest(x: Array, dtype: Any) -> Array:
    """A float32 rounded to 16 bits; halfway to a bfloat16 away from zero, which the bits that it
    loses, as a signed integer, tell from any other number."""
    if dtype != jnp.bfloat16:
        return x.astype(dtype)
    rounded = jax.lax.bitcast_convert_type((_bits(x) + 0x8000) & -0x10000, jnp.float32)
    return jnp.where(jnp.isfinite(x), rounded, x).astype(dtype)


def _bits(x: Array) -> Array:
    return jax.lax.bitcast_convert_type(x, jnp.int32)
