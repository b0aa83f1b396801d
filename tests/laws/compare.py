"""Trees compared so that a failure names the leaf and the two values."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def text(program: Any) -> str:
    """What a traced program computes, the same for the same updates."""
    return ADDRESS.sub("", str(program))


def pairs(actual: Any, expected: Any) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The leaves of two trees of one structure, by name."""
    a, e = (
        {jax.tree_util.keystr(path): x for path, x in jax.tree.leaves_with_path(tree)}
        for tree in (actual, expected)
    )
    assert list(a) == list(e), f"leaves that only one has: {sorted(set(a) ^ set(e))}"
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    return [(name, np.asarray(x), np.asarray(e[name])) for name, x in a.items()]


def first(differ: np.ndarray, a: np.ndarray, e: np.ndarray) -> str:
    """The first two values that differ, and where."""
    index = tuple(int(i) for i in np.argwhere(differ)[0])
    return f"at {index}: {a[index]!r}, expected {e[index]!r}"


def same_bits(actual: Any, expected: Any) -> None:
    """Two trees have the same structure, dtypes and bits."""
    for name, a, e in pairs(actual, expected):
        assert a.dtype == e.dtype, f"{name}: {a.dtype}, expected {e.dtype}"
        assert a.shape == e.shape, f"{name}: {a.shape}, expected {e.shape}"
        if a.tobytes() != e.tobytes():
            bits = [np.frombuffer(x.tobytes(), np.uint8).reshape(*x.shape, -1) for x in (a, e)]
            differ = np.any(bits[0] != bits[1], axis=-1)
            raise AssertionError(f"{name} {first(differ, a, e)}")


def close(actual: Any, expected: Any, tolerance: Any) -> None:
    """Two stacked trees agree, leaf by leaf, relative to the leaf's largest element.

    ``tolerance(dtype)`` is the allowed difference; integers and booleans must be equal,
    infinities and what is not a number must be in the same places.
    """
    for name, a, e in pairs(actual, expected):
        assert a.shape == e.shape, f"{name}: {a.shape}, expected {e.shape}"
        if not jnp.issubdtype(e.dtype, jnp.inexact):
            assert np.array_equal(a, e), f"{name} {first(a != e, a, e)}"
            continue
        limit = tolerance(narrower(a.dtype, e.dtype))
        wide = np.complex128 if np.iscomplexobj(e) else np.float64
        a, e = a.astype(wide), e.astype(wide)
        finite = np.isfinite(e)
        elsewhere = np.isfinite(a) != finite
        assert not elsewhere.any(), f"{name} {first(elsewhere, a, e)}"
        error = np.abs(np.where(finite, a, 0) - np.where(finite, e, 0))
        largest = np.max(np.abs(e[finite]), initial=0.0)
        worst = np.max(error, initial=0.0)
        assert worst <= limit * largest, (
            f"{name} {first(error == worst, a, e)}; off by {worst:.3g} where the largest element "
            f"is {largest:.3g}: {worst / largest if largest else np.inf:.3g} > {limit:.3g} "
            "(relative)"
        )


def narrower(*dtypes: Any) -> Any:
    return max(dtypes, key=epsilon)


def epsilon(dtype: Any) -> float:
    return float(jnp.finfo(dtype).eps)


def ulps(many: float, bfloat16: float | None = None) -> Any:
    """A tolerance in units of the last place of each leaf's dtype."""

    def tolerance(dtype):
        n = bfloat16 if bfloat16 is not None and dtype == jnp.bfloat16 else many
        return n * epsilon(dtype)

    return tolerance


def exactly(relative: float) -> Any:
    return lambda dtype: relative
