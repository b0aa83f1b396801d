"""Formats: what is exact, how near the rest is, and that blocks follow the last axis."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regopt_jax import precision
from regopt_jax.precision.blocks import Blockwise, Companded, Mapped, dynamic_map
from regopt_jax.precision.formats import Corrected

NAMES = [
    "bf16", "bf16_ecc", "fp8_e4m3", "fp8_e5m2", "int8_companded", "uint8_sqrt", "int8_dynamic",
    "uint8_dynamic", "int4", "uint4",
]  # fmt: skip
FORMATS = {name: getattr(precision, name) for name in NAMES}
FORMATS |= {"fp8_e4m3-unsigned": precision.fp8_e4m3.of(signed=False)}
SHAPES = [(), (1,), (7,), (300,), (3, 40), (2, 3, 257), (0, 3), (3, 0), (2, 256)]
every = pytest.mark.parametrize("format_", FORMATS.values(), ids=FORMATS)
blockwise = pytest.mark.parametrize(
    "format_",
    [f for f in FORMATS.values() if isinstance(f, Blockwise)],
    ids=[name for name, f in FORMATS.items() if isinstance(f, Blockwise)],
)


def there_and_back(format_, x, dtype=jnp.float32):
    return np.asarray(jax.jit(lambda x: format_.decode(format_.encode(x), dtype))(x))


def drawn(format_, shape, seed=0, spread=0.0):
    """Normal, or over many magnitudes; not negative where signs are not kept."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) * 10.0 ** rng.uniform(-spread, spread, size=shape)
    return (x if format_.signed else x**2).astype(np.float32)


@every
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_shape_comes_back_near(format_, shape):
    x = drawn(format_, shape)
    y = there_and_back(format_, x)
    assert y.shape == x.shape
    near = 0.25 if getattr(format_, "bits", 8) == 4 else 0.08
    assert np.linalg.norm(y - x) <= near * np.linalg.norm(x)


@every
def test_zeros_and_signs_are_kept(format_):
    x = drawn(format_, (64, 300), spread=6)
    x[:, ::7] = 0
    x[3] = 0
    y = there_and_back(format_, x)
    if format_ is not precision.uint4:  # which has no zero but in blocks of zeros
        np.testing.assert_array_equal(y[x == 0], 0)
    np.testing.assert_array_equal(y[3], 0)
    assert np.all(y * np.sign(x) >= 0)
    if not format_.signed:
        assert np.all(y[x > 0] > 0)


@every
@pytest.mark.parametrize("size", [1e-45, 1e-38, 1e-30, 1e-9, 1e9, 3.4e38], ids=str)
def test_of_any_size(format_, size):
    """A block of one sign, as small or large as a float32 may be: what is positive stays so."""
    x = np.full((2, 300), size, np.float32)
    y = there_and_back(format_, x)
    if size < 1.2e-38:  # XLA takes subnormals for zero
        assert np.all((y >= 0) & (y < 2e-38))
    elif size == 3.4e38 and format_ is precision.bf16:
        assert np.all(y == np.inf)
    else:
        np.testing.assert_allclose(y, x, rtol=0.01)


@every
def test_a_positive_number_beside_a_large_one_stays_positive(format_):
    x = np.array([1e-30, 1e-12, 1e-5, 1.0], np.float32)
    assert np.all(there_and_back(format_.of(signed=False), x) > 0)


@every
def test_what_is_not_finite_comes_back_and_spoils_no_other(format_):
    x = drawn(format_, (8, 300))
    bad = x.copy()
    bad[1, 5], bad[2, 290], bad[2, 1] = np.nan, np.inf, np.nan
    bad[4, 7] = -np.inf if format_.signed else np.inf
    bad[5] = np.nan
    y, expected = there_and_back(format_, bad), there_and_back(format_, x)
    np.testing.assert_array_equal(y[~np.isfinite(bad)], bad[~np.isfinite(bad)])
    known = np.isfinite(bad)
    assert np.all(np.isfinite(y[known]))
    worst = 0.35 if getattr(format_, "bits", 8) == 4 else 0.15  # the outermost codes are taken
    assert np.max(np.abs(y - expected)[known]) <= worst * np.max(np.abs(x))
    np.testing.assert_array_equal(y[[0, 3, 6, 7]], expected[[0, 3, 6, 7]])


@every
@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16", "complex64"])
def test_other_dtypes(format_, dtype):
    with jax.enable_x64(dtype == "float64"):
        x = jnp.asarray(drawn(format_, (3, 300))).astype(dtype)
        y = there_and_back(format_, x, x.dtype)
        assert y.dtype == x.dtype
        off = np.linalg.norm(y.astype("complex128") - np.asarray(x).astype("complex128"))
        assert off <= 0.25 * np.linalg.norm(np.asarray(x).astype("complex128"))


@every
def test_a_second_time_changes_nothing(format_):
    if isinstance(format_, Mapped) and format_.signed:
        pytest.skip("its lowest number is not -1, so a block whose largest is negative shrinks")
    x = drawn(format_, (16, 300), spread=2)
    once = there_and_back(format_, x)
    # The scale of a narrow float is a quotient, rounded each time.
    rtol = 3e-7 if "fp8" in format_.name else 0
    np.testing.assert_allclose(there_and_back(format_, once), once, rtol=rtol)


@every
def test_the_decode_of_a_slice_is_the_slice_of_the_decode(format_):
    x = drawn(format_, (6, 4, 256))
    kept = format_.encode(x)
    whole = np.asarray(format_.decode(kept))
    rows = jax.tree.map(lambda k: k[2:5, 1], kept)
    np.testing.assert_array_equal(format_.decode(rows), whole[2:5, 1])
    jax.tree.map(np.testing.assert_array_equal, format_.encode(x[2:5, 1]), rows)
    parts = [there_and_back(format_, x[..., a : a + 128]) for a in (0, 128)]
    if getattr(format_, "block", 1) <= 128:
        np.testing.assert_array_equal(np.concatenate(parts, -1), whole)


@every
def test_under_vmap_and_scan(format_):
    x = drawn(format_, (4, 3, 40))
    kept = jax.vmap(format_.encode)(x)
    expected = format_.decode(format_.encode(x))
    np.testing.assert_array_equal(jax.vmap(format_.decode)(kept), expected)
    _, scanned = jax.lax.scan(lambda c, k: (c, format_.decode(k)), None, kept)
    np.testing.assert_array_equal(scanned, expected)


@every
def test_it_is_a_value(format_):
    assert format_ == dataclasses.replace(format_)
    assert hash(format_) == hash(dataclasses.replace(format_))
    assert format_.of(format_.signed) == format_
    assert format_.of(not format_.signed) != format_


@every
def test_its_bytes_are_those_of_what_is_kept(format_):
    kept = jax.eval_shape(format_.encode, jax.ShapeDtypeStruct((16, 1024), jnp.float32))
    assert sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(kept)) == (
        format_.bytes_per_element * 16 * 1024
    )


@pytest.mark.parametrize("name", ["bf16_ecc", "int8_companded", "uint8_sqrt"])
def test_over_log_uniform_magnitudes(name):
    """FlashOptim's measures of its formats: over thirty octaves between blocks."""
    format_ = FORMATS[name]
    rng = np.random.default_rng(1)
    x = drawn(format_, (4096, 32)) * 2.0 ** rng.uniform(-15, 15, size=(4096, 1)).astype("f4")
    y = there_and_back(format_, x)
    cosine = np.sum(x * y, -1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
    assert np.min(cosine) >= 0.9999 if name == "bf16_ecc" else np.mean(cosine) >= 0.9999
    if name != "bf16_ecc":
        top = np.max(x if name == "uint8_sqrt" else np.abs(x), -1, keepdims=True)
        r, back = x / top, y / top
        bins = 255 if name == "uint8_sqrt" else 127
        flat = np.sqrt if name == "uint8_sqrt" else (lambda r: 2 * r / (1 + np.abs(r)))
        assert np.mean(np.abs(flat(r) - flat(back))) * bins <= 1.6 * 0.5


@pytest.mark.parametrize("exponent", [-126, -20, -1, 0, 7, 126])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_corrected_bfloat16_over_every_mantissa(exponent, sign):
    """Eight of the sixteen bits that were lost: off by at most 2⁻¹⁶ of the size, once by 2⁻¹⁵."""
    bits = np.arange(1 << 23, dtype=np.int32) + np.int32((exponent + 127) << 23)
    x = bits.view(np.float32) * np.float32(sign)
    kept = precision.bf16_ecc.encode(x)
    y = np.asarray(precision.bf16_ecc.decode(kept))
    off = np.abs(y.view(np.int32) - x.view(np.int32))
    assert np.max(off) <= 256
    assert np.mean(off > 128) <= 1 / 256
    halfway = (bits & 0xFFFF) == 0x8000
    np.testing.assert_array_equal(kept[0][~halfway], x.astype(jnp.bfloat16)[~halfway])
    exact = Corrected("exact", bits=16)
    np.testing.assert_array_equal(exact.decode(exact.encode(x)), x)


@pytest.mark.parametrize(
    ("signed", "exponents", "bits"), [(True, 7, 8), (False, 7, 8), (True, 3, 4)]
)
def test_the_dynamic_maps_are_those_of_bitsandbytes(signed, exponents, bits):
    """Its algorithm in its own arithmetic, from the paper's description (arXiv 2110.02861)."""
    torch = pytest.importorskip("torch", reason="PyTorch is an optional oracle")
    numbers = [0.0, 1.0]
    for i in range(exponents):
        edges = torch.linspace(0.1, 1, 2 ** (i + bits - exponents - signed) + 1)
        middles = 10.0 ** (i + 1 - exponents) * ((edges[:-1] + edges[1:]) / 2.0)
        numbers += [*middles.tolist(), *((-middles).tolist() if signed else [])]
    assert len(numbers) == 2**bits
    np.testing.assert_allclose(
        dynamic_map(signed, exponents, bits), np.sort(np.float32(numbers)), rtol=2e-7
    )


@blockwise
def test_the_code_is_the_nearest(format_):
    """Of all codes, by trying each; of what is companded, where the codes are evenly spaced."""
    x = drawn(format_, (4, format_.block), spread=1)
    kept = format_.encode(x)
    scale = np.asarray(kept.scale, np.float32)
    r, found = x / scale, there_and_back(format_, x) / scale
    if isinstance(format_, Companded):
        codes = np.arange(-127, 128) if format_.signed else np.arange(256)
        values = np.asarray(format_.value(jnp.asarray(codes, jnp.float32)))
    elif isinstance(format_, Mapped):
        values = format_.levels
    else:
        values = np.arange(256, dtype=np.uint8).view(format_.dtype).astype(np.float32)
    values = np.unique(values[np.isfinite(values)])

    def off(v):
        if not isinstance(format_, Companded):
            return np.abs(v - r[..., None])
        even = (lambda v: 2 * v / (1 + np.abs(v))) if format_.signed else np.sqrt
        return np.abs(even(v.clip(None if format_.signed else 0)) - even(r[..., None]))

    far = off(values[None, None])
    if not format_.signed:  # nor may what is positive become zero
        far = np.where((r[..., None] > 0) & (values[None, None] == 0), np.inf, far)
    best = np.min(far, -1)
    assert np.all(off(found[..., None])[..., 0] <= best + 1e-6 * np.max(values))


def test_a_scale_shrinks_as_slowly_as_a_moment_does():
    x = np.full((2, 70), 3.0, np.float32)

    end = jax.lax.fori_loop(0, 1000, lambda _, x: _decayed(x), jnp.asarray(x))
    np.testing.assert_allclose(end, x * 0.999**1000, rtol=1e-3)


def _decayed(x):
    kept = precision.uint8_sqrt.encode(0.999 * x)
    return precision.uint8_sqrt.decode(kept)


def test_float16_scales_would_lose_what_ours_keep():
    """FlashOptim's scales end at 65504, and at 6e-8."""
    for format_ in (precision.int8_companded, precision.uint8_sqrt):
        for size in (1e-12, 1e6):
            x = np.full((32,), size, np.float32)
            np.testing.assert_allclose(there_and_back(format_, x), x, rtol=4e-3)
