r"""Formats with a scale for each block of the last axis.

.. math:: s = \max_{\text{block}} |x| / v_{\max}, \qquad c = \operatorname{code}(x / s), \qquad
   x ≈ s \operatorname{value}(c)

where :math:`v_{\max}` is the largest value, 1 but for narrow floats.

The scale is never negative, so its sign is free: a negative one says that in this block the
outermost codes stand for ±inf and one beside them for NaN.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regopt_jax._core.sharding import lying, whole_rows
from regopt_jax._core.trees import Array
from regopt_jax.precision.formats import Format


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Blocks:
    """Codes and the scales of their blocks.

    Attributes:
      codes: like the array, or two a byte along its last axis.
      scale: one for each block of the last axis.
      size: how long the last axis is; ``None`` of a scalar, which is a block by itself.
    """

    codes: Array
    scale: Array
    size: int | None = dataclasses.field(metadata={"static": True})


@dataclasses.dataclass(frozen=True, repr=False)
class Blockwise(Format):
    """A code for each element and a scale for each block; a subclass says which codes.

    Codes are numbers: integers, or the values of a narrow float.

    Attributes:
      block: how many elements share a scale, a float32: one of 16 bits that shrinks by a
        thousandth at each step would be rounded back to what it was.
    """

    block: int = 256

    dtype = "uint8"  # of the codes
    bits = 8
    largest = 1.0  # value
    least = 1.0  # the code that a positive number gets at least, where signs are not kept

    @property
    def bytes_per_element(self) -> float:
        """The code's, and the share of a scale."""
        return self.bits / 8 + 4 / self.block

    @property
    def ends(self) -> tuple[float, float, float]:
        """The codes of -inf, NaN and inf, in a block that has them."""
        raise NotImplementedError

    @property
    def inner(self) -> tuple[float, float]:
        """The range of the other codes there."""
        raise NotImplementedError

    def code(self, x: Array) -> Array:
        """The code, as a float32, of a number between the values."""
        raise NotImplementedError

    def value(self, code: Array) -> Array:
        """The number that a code stands for."""
        raise NotImplementedError

    def _encode(self, x: Array) -> Blocks:
        size = x.shape[-1] if x.shape else None
        x = x if x.shape else x.reshape(1)
        codes, scale = lying(x, self._blocks, lambda own: own, whole_rows)(x)
        return Blocks(codes, scale, size)

    def _decode(self, kept: Blocks) -> Array:
        size = 1 if kept.size is None else kept.size

        def values(codes: Array, scale: Array) -> tuple[Array]:
            return (self._values(codes, scale, size),)

        (x,) = lying(kept.codes, values, lambda own: own)(kept.codes, kept.scale)
        return x.reshape(()) if kept.size is None else x

    def _blocks(self, x: Array) -> tuple[Array, Array]:
        known = jnp.isfinite(x)
        top, spoilt = self._top(jnp.where(known, jnp.abs(x), 0)), self._top(~known)
        scale = self._rounded(top, spoilt)
        each = self._spread(jnp.abs(scale.astype(x.dtype)), x.shape[-1])
        r = jnp.clip(x / jnp.where(each > 0, each, 1), -self.largest, self.largest)
        code = self.code(r.astype(jnp.float32))
        if not self.signed:
            code = jnp.where(x > 0, jnp.maximum(code, self.least), code)
        code = jnp.where(self._spread(spoilt, x.shape[-1]), jnp.clip(code, *self.inner), code)
        below, nan, above = self.ends
        code = jnp.where(known, code, jnp.where(x > 0, above, jnp.where(x < 0, below, nan)))
        return self._packed(code.astype(self.dtype)), scale

    def _values(self, codes: Array, scale: Array, size: int) -> Array:
        code = self._unpacked(codes, size).astype(jnp.float32)
        scale = self._spread(scale, size)
        value = self.value(code)
        x = value * jnp.abs(scale)
        if not self.signed:
            x = jnp.where((value > 0) & (scale != 0), jnp.maximum(x, _TINY), x)
        below, nan, above = self.ends
        for end, meant in ((below, -jnp.inf), (nan, jnp.nan), (above, jnp.inf)):
            x = jnp.where((scale < 0) & (code == end), meant, x)
        return x

    def _top(self, x: Array) -> Array:
        """The largest of each block; the last block may be short."""
        size = x.shape[-1]
        width = self._width(size)
        x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, -size % width)])
        return jnp.max(x.reshape(*x.shape[:-1], -(-size // width), width), axis=-1)

    def _spread(self, scale: Array, size: int) -> Array:
        """What belongs to blocks, at each of their elements."""
        return jnp.repeat(scale, self._width(size), axis=-1)[..., :size]

    def _width(self, size: int) -> int:
        return max(1, min(self.block, size))

    def _rounded(self, top: Array, spoilt: Array) -> Array:
        """The scale, finite, zero for zeros alone; negative where one is spoilt."""
        scale = jnp.clip(top / self.largest, _TINY, _HUGE)
        return jnp.where(spoilt, -scale, jnp.where(top > 0, scale, 0)).astype(jnp.float32)

    def _packed(self, code: Array) -> Array:
        return code

    def _unpacked(self, code: Array, size: int) -> Array:
        return code


_TINY, _HUGE = float(jnp.finfo(jnp.float32).tiny), float(jnp.finfo(jnp.float32).max)


@dataclasses.dataclass(frozen=True, repr=False)
class Companded(Blockwise):
    r"""Integers of what is finer near zero.

    .. math:: c = \operatorname{round}\!\Big(127 \frac{2x}{1+|x|}\Big); \qquad
       c = \operatorname{round}(255 \sqrt{x}) \text{ of what is never negative}
    """

    @property
    def dtype(self) -> str:  # type: ignore[override]
        """Of the codes."""
        return "int8" if self.signed else "uint8"

    @property
    def ends(self) -> tuple[float, float, float]:
        """The outermost codes."""
        return (-127, 126, 127) if self.signed else (254, 254, 255)

    @property
    def inner(self) -> tuple[float, float]:
        """All but these."""
        return (-126, 125) if self.signed else (0, 253)

    def code(self, x: Array) -> Array:
        """The code of a number between the values."""
        if self.signed:
            return jnp.round(127 * (2 * x / (1 + jnp.abs(x))))
        return jnp.round(255 * jnp.sqrt(jnp.maximum(x, 0)))

    def value(self, code: Array) -> Array:
        """The number that a code stands for."""
        if self.signed:
            x = code / 127
            return x / (2 - jnp.abs(x))
        return jnp.square(code / 255)


@dataclasses.dataclass(frozen=True, repr=False)
class Float(Blockwise):
    """A float of 8 bits, the largest of a block as its largest number."""

    kind: str = "float8_e4m3fn"

    @property
    def dtype(self) -> str:  # type: ignore[override]
        """Of the codes."""
        return self.kind

    @property
    def largest(self) -> float:  # type: ignore[override]
        """The largest number."""
        return float(jnp.finfo(self.kind).max)

    @property
    def least(self) -> float:  # type: ignore[override]
        """The smallest number."""
        return float(jnp.finfo(self.kind).smallest_subnormal)

    @property
    def ends(self) -> tuple[float, float, float]:
        """The outermost numbers, and its own NaN."""
        return -self.largest, float("nan"), self.largest

    @property
    def inner(self) -> tuple[float, float]:
        """From the second largest number to its opposite."""
        second = float(np.nextafter(np.array(self.largest, self.kind), np.array(0, self.kind)))
        return -second, second

    def code(self, x: Array) -> Array:
        """The code of a number between the values."""
        return x.astype(self.kind).astype(jnp.float32)

    def value(self, code: Array) -> Array:
        """The number that a code stands for."""
        return code


@dataclasses.dataclass(frozen=True, repr=False)
class Mapped(Blockwise):
    """The nearest of given numbers: of 8 bits, or of 4, two to a byte."""

    bits: int = 8

    @property
    def levels(self) -> np.ndarray[Any, Any]:
        """The numbers, in order: for 4 bits of what is never negative, sixteenths without zero."""
        if self.bits == 4 and not self.signed:
            return np.linspace(0, 1, 17, dtype=np.float32)[1:]
        return dynamic_map(self.signed, 7 if self.bits == 8 else 3, self.bits)

    @property
    def least(self) -> float:  # type: ignore[override]
        """The first number that is positive."""
        return float(np.argmax(self.levels > 0))

    @property
    def ends(self) -> tuple[float, float, float]:
        """The outermost codes."""
        last = 2**self.bits - 1
        return (0 if self.signed else last - 1), last - 1, last

    @property
    def inner(self) -> tuple[float, float]:
        """All but these."""
        return (1 if self.signed else 0), 2**self.bits - 3

    def code(self, x: Array) -> Array:
        """The code of a number between the values."""
        levels = self.levels
        between = jnp.asarray((levels[1:] + levels[:-1]) / 2)
        return jnp.searchsorted(between, x, side="right").astype(jnp.float32)

    def value(self, code: Array) -> Array:
        """The number that a code stands for."""
        return jnp.asarray(self.levels)[code.astype(jnp.int32)]

    def _packed(self, code: Array) -> Array:
        if self.bits == 8:
            return code
        code = jnp.pad(code, [(0, 0)] * (code.ndim - 1) + [(0, code.shape[-1] % 2)])
        return (code[..., ::2] << 4) | code[..., 1::2]

    def _unpacked(self, code: Array, size: int) -> Array:
        if self.bits == 8:
            return code
        pairs = jnp.stack([code >> 4, code & 15], -1)
        return pairs.reshape(*code.shape[:-1], 2 * code.shape[-1])[..., :size]


@functools.cache
def dynamic_map(signed: bool, exponents: int, bits: int) -> np.ndarray[Any, Any]:
    r"""The numbers of bitsandbytes' ``create_dynamic_map``, in order.

    Of each decade :math:`10^{-e}` the middles of equal parts of [0.1, 1], twice as many as of the
    decade below; and 0 and 1.

    Args:
      signed: with their opposites, of which there are half as many in each.
      exponents: how many decades.
      bits: there are 2 to that number of them.
    """
    f32 = np.float32  # theirs are made in float32, by fused multiply-adds
    found = [f32(0), f32(1)]
    for i in range(exponents):
        parts = 2 ** (i + bits - 1 - exponents + (not signed))
        start, step, k = float(f32(0.1)), float(f32(0.9) / f32(parts)), np.arange(parts + 1)
        from_both = np.where(k < (parts + 1) // 2, start + step * k, 1 - step * (parts - k))
        edges = from_both.astype(f32)
        middles = f32(10.0 ** (i + 1 - exponents)) * ((edges[1:] + edges[:-1]) / f32(2))
        found += [*middles, *(-middles if signed else [])]
    numbers = np.sort(np.array(found, f32))
    numbers.flags.writeable = False
    return numbers
