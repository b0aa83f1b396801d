"""What the JAX at hand can do: a test that needs more is skipped, and says what it lacks."""

import importlib.metadata

import jax
import pytest

explicit_axes = pytest.mark.skipif(
    not hasattr(jax.sharding, "reshard"), reason="explicit axes need jax >= 0.7.0"
)


def needs_flax(major: int, minor: int, why: str) -> pytest.MarkDecorator:
    """Skips where Flax is older."""
    try:
        found = tuple(int(n) for n in importlib.metadata.version("flax").split(".")[:2])
    except importlib.metadata.PackageNotFoundError:
        found = (major, minor)  # the test says itself that Flax is missing
    return pytest.mark.skipif(found < (major, minor), reason=f"flax {major}.{minor}: {why}")
