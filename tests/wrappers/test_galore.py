"""GaLore beyond the laws: what it projects, when, and what it says to what does not fit."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax.contrib import GaLoreDimensionNumbers

import regopt_jax as ro
from regopt_jax import optax as face
from tests.laws.compare import same_bits

RNG = np.random.default_rng(0)
FACES = {"ours": ro, "the second": face.contrib}


def draw(*shape, dtype="complex128"):
    x = RNG.normal(size=shape) + 1j * RNG.normal(size=shape)
    return (x if dtype.startswith("complex") else x.real).astype(dtype)


@pytest.mark.parametrize("of", FACES)
@pytest.mark.parametrize("make", ["scale_by_galore", "galore"])
@pytest.mark.parametrize("rank", [2.5, 2.0, "2", None], ids=repr)
def test_a_rank_that_is_no_integer_is_a_type_error_as_in_optax(of, make, rank):
    rate = (0.1,) if make == "galore" else ()
    with pytest.raises(TypeError, match=r"rank.* must be an int"):
        getattr(optax.contrib, make)(*rate, rank=rank)
    with pytest.raises(TypeError, match=r"rank must be an? "):
        getattr(FACES[of], make)(*rate, rank=rank)


@pytest.mark.parametrize("of", FACES)
def test_a_rank_is_positive(of):
    with pytest.raises(ValueError, match=r"rank must be an integer in \[1, inf\), got 0"):
        FACES[of].galore(0.1, rank=0)
    state = FACES[of].scale_by_galore(np.int64(2)).init(jnp.ones((3, 4)))
    assert state.projector.shape == (4, 2)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_what_comes_out_of_the_identity_is_the_best_approximation_of_that_rank(shape, dtype):
    g = jnp.asarray(draw(*shape, dtype=dtype))
    tx = ro.scale_by_galore(2, scale=3.0, base_optimizer=ro.identity())
    u, s, vh = np.linalg.svd(g)
    best = (u[:, :2] * s[:2]) @ vh[:2]
    np.testing.assert_allclose(tx.update(g, tx.init(g))[0], 3 * best, rtol=1e-4, atol=1e-5)


def test_between_projections_the_directions_stay():
    gradients = [jnp.asarray(draw(4, 3, dtype="float32")) for _ in range(5)]
    tx = ro.scale_by_galore(2, update_proj_gap=3)
    state, seen = tx.init(gradients[0]), []
    for g in gradients:
        _, state = tx.update(g, state)
        seen.append(np.asarray(state.projector))
    changed = [not np.array_equal(a, b) for a, b in itertools.pairwise(seen)]
    assert changed == [False, False, True, False]


def test_the_base_can_be_exchanged_and_has_its_own_state():
    tx, params = ro.galore(0.1, rank=2), {"w": jnp.ones((6, 4)), "b": jnp.ones(4)}
    parts = {part.label: part for part in ro.walk(tx, tx.init(params), params)}
    assert jax.tree.map(jnp.shape, parts["scale_by_adam"].params) == {"w": (2, 4), "b": (4,)}
    assert parts["scale_by_adam"].state.mu["w"].shape == (2, 4)
    assert tx.made.again(rank=3).init(params)[0].projector["w"].shape == (6, 3)
    assert ro.galore(0.1) == ro.galore(0.1) != ro.galore(0.1, base_optimizer=ro.scale_by_adam())


def test_a_base_gets_the_extra_arguments_but_no_parameters():
    w = jnp.ones((3, 2))
    tx = ro.scale_by_galore(1, base_optimizer=ro.scale_by_polyak(f_min=0.0))
    out, _ = tx.update(w, tx.init(w), w, value=3.0)
    np.testing.assert_allclose(out, 0.5 * w, rtol=1e-5)
    tx = ro.scale_by_galore(1, base_optimizer=ro.adamw(0.1))
    with pytest.raises(ValueError, match="adamw: the parameters are needed"):
        tx.update(w, tx.init(w), w)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (GaLoreDimensionNumbers(0, 0), "separate axes for rows and columns"),
        (GaLoreDimensionNumbers(0, 2), "each of its axes among the rows or the columns"),
        ({"k": GaLoreDimensionNumbers(0, (1, 3))}, "separate axes for rows and columns"),
        ({"k": (0, 1)}, "expected GaLoreDimensionNumbers or None, got 0"),
    ],
    ids=["the same", "one left", "past the last", "no numbers"],
)
def test_dimension_numbers_that_do_not_fit_are_refused_by_path(numbers, message):
    params = {"k": jnp.ones((2, 3, 4))}
    tx = ro.galore(0.1, weight_dimension_numbers=numbers)
    with pytest.raises(ValueError, match=message):
        tx.init(params)


def test_dimension_numbers_of_a_prefix_of_the_tree():
    params = {"attention": {"q": jnp.ones((4, 2, 3)), "k": jnp.ones((4, 2, 3))}, "b": jnp.ones(2)}
    numbers = {"attention": GaLoreDimensionNumbers(0, (1, 2)), "b": None}
    tx = ro.scale_by_galore(1, weight_dimension_numbers=numbers)
    shapes = jax.tree.map(jnp.shape, tx.init(params).projector)
    assert shapes == {"attention": {"q": (6, 1), "k": (6, 1)}, "b": (0, 0)}


def test_a_gradient_of_integers_is_refused_by_path():
    tx, w = ro.scale_by_galore(1), {"w": jnp.ones((3, 2))}
    with pytest.raises(TypeError, match="scale_by_galore: the gradient at 'w' is of int32"):
        tx.update({"w": jnp.ones((3, 2), jnp.int32)}, tx.init(w))


def test_a_derivative_takes_the_directions_for_constants():
    """Those of equal singular values have none."""
    tx = ro.scale_by_galore(1, base_optimizer=ro.identity())

    def total(g):
        return jnp.sum(tx.update(g, tx.init(g))[0])

    slope = jax.grad(total)(jnp.eye(3))
    basis = tx.update(jnp.eye(3), tx.init(jnp.eye(3)))[1].projector
    np.testing.assert_allclose(slope, basis @ basis.T @ jnp.ones((3, 3)), atol=1e-6)


def test_its_name_in_contrib_is_the_same():
    assert ro.contrib.galore is ro.galore
    assert ro.contrib.scale_by_galore is ro.scale_by_galore


def test_optaxs_own_state_is_continued_under_the_face():
    w = jnp.asarray(draw(5, 3, dtype="float32"))
    theirs, ours = (o.contrib.galore(0.1, rank=2, update_proj_gap=2) for o in (optax, face))
    with jax.numpy_dtype_promotion("standard"):
        _, state = theirs.update(w, theirs.init(w), w)
        out, mine = (tx.update(-w, state, w) for tx in (theirs, ours))
    assert jax.tree.structure(out) == jax.tree.structure(mine)
    same_bits(out[1][0].projector, mine[1][0].projector)
