"""Clips of each example's gradient: Optax's numbers, and refusals by path."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro
from tests.laws.runs import close, exactly, session, ulps

CLIPS = ["per_example_global_norm_clip", "per_example_layer_norm_clip"]
clips = pytest.mark.parametrize("name", CLIPS)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def gradients(dtype):
    rng = np.random.default_rng(0)
    shapes = {"a": (6, 3, 2), "b": (6,), "c": (6, 5), "empty": (6, 0)}
    tree = {k: rng.normal(size=s) * rng.uniform(0, 3, (6, *[1] * (len(s) - 1)))
            for k, s in shapes.items()}  # fmt: skip
    tree["a"][2] = tree["b"][2] = tree["c"][2] = 0
    return jax.tree.map(lambda g: jnp.asarray(g, dtype), tree)


def both(name, grads, *args, **options):
    with session(str(grads["a"].dtype), lenient=True):
        theirs = getattr(optax, name)(grads, *args, **options)
    return getattr(ro, name)(grads, *args, **options), theirs


@clips
@dtypes
@pytest.mark.parametrize("bound", [0.0, 0.5, 2.0, 5.0, np.inf])
def test_the_sums_and_counts_are_optaxs(name, dtype, bound):
    with session(dtype):
        ours, theirs = both(name, gradients(dtype), bound)
    close(ours, theirs, exactly(1e-14) if dtype == "float64" else ulps(8))


@dtypes
def test_bounds_by_size_are_optaxs(dtype):
    with session(dtype):
        ours, theirs = both("per_example_layer_norm_clip", gradients(dtype), 1.0, uniform=False)
        uniform = ro.per_example_layer_norm_clip(gradients(dtype), 1.0)
    close(ours, theirs, exactly(1e-14) if dtype == "float64" else ulps(8))
    assert not np.allclose(ours[0]["a"], uniform[0]["a"])


@clips
def test_traced_and_integer_gradients_are_taken(name):
    clip = getattr(ro, name)
    grads = {"w": jnp.array([[0, 0, 0], [0, 3, 4], [4, 0, 3]])}
    sums, counts = jax.jit(clip)(grads, 1.25)
    np.testing.assert_allclose(sums["w"], [1.0, 0.75, 1.75])
    assert jax.tree.leaves(counts) == [2]


@clips
def test_no_example_weighs_more_than_the_bound(name):
    """The definition, example by example, of the clip in differential privacy."""
    grads = gradients("float32")
    one = [jax.tree.map(lambda g: g[i : i + 1], grads) for i in range(6)]  # noqa: B023
    for example in one:
        sums, _ = getattr(ro, name)(example, 0.7)
        assert float(ro.global_norm(sums)) <= 0.7 * (1 + 1e-6)


@clips
def test_the_bfloat16_sum_keeps_its_dtype(name):
    grads = {"w": jnp.ones((4, 3), jnp.bfloat16)}
    assert getattr(ro, name)(grads, 1.0)[0]["w"].dtype == jnp.bfloat16


@clips
@pytest.mark.parametrize("spoil", [(5, 2), ()])
def test_gradients_without_the_examples_axis_are_refused_by_path(name, spoil):
    grads = {"dense": {"bias": jnp.ones((6, 2)), "kernel": jnp.ones(spoil)}}
    with pytest.raises(ValueError, match=r"dense/kernel.*shape"):
        getattr(ro, name)(grads, 1.0)


@clips
def test_a_negative_bound_and_an_empty_tree_are_refused(name):
    with pytest.raises(ValueError, match="l2_norm_clip must be in"):
        getattr(ro, name)({"w": jnp.ones((2, 2))}, -1.0)
    with pytest.raises(ValueError, match="no gradients"):
        getattr(ro, name)({}, 1.0)
