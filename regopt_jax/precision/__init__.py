"""Few bits: formats for states and weights, and the wrappers that keep them so.

``README.md`` beside this file has an equation for each format, and says which to take when.
"""

from regopt_jax.precision.blocks import Companded, Float, Mapped
from regopt_jax.precision.formats import Corrected, Format as Format, Rounded

bf16 = Rounded("bf16")
bf16_ecc = Corrected("bf16_ecc")
fp8_e4m3 = Float("fp8_e4m3")
fp8_e5m2 = Float("fp8_e5m2", kind="float8_e5m2")
int8_companded = Companded("int8_companded", "uint8_sqrt", block=64)
int8_dynamic = Mapped("int8_dynamic", "uint8_dynamic")
int4 = Mapped("int4", "uint4", block=128, bits=4)
uint8_sqrt, uint8_dynamic, uint4 = (
    x.of(signed=False) for x in (int8_companded, int8_dynamic, int4)
)

FORMATS = {
    str(x): x
    for x in (
        bf16, bf16_ecc, fp8_e4m3, fp8_e5m2, int8_companded, uint8_sqrt, int8_dynamic,
        uint8_dynamic, int4, uint4,
    )
} | {"8bit": int8_companded, "4bit": int4}  # fmt: skip


def named(format: str | Format) -> Format:  # noqa: A002
    """A format by its name.

    Raises:
      ValueError: there is none of that name.
    """
    if isinstance(format, Format):
        return format
    if format not in FORMATS:
        raise ValueError(f"no format is called {format!r}; there are {', '.join(FORMATS)}.")
    return FORMATS[format]
