"""Which leaves Muon orthogonalises, and how it reads their axes."""

import jax.numpy as jnp
import numpy as np
import pytest
from optax.contrib import MuonDimensionNumbers

import regopt_jax as ro
from regopt_jax.transforms.orthogonal import orthogonalize


def one_step(tx, params):
    return tx.update(params, tx.init(params), params)[0]


def draw(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def test_parameters_that_are_all_matrices_are_taken():
    params = {"a": draw(3, 4), "b": draw(4, 2)}
    updates = one_step(ro.muon(1.0), params)
    scales = {"a": np.sqrt(4 / 3), "b": 1.0}
    for name, scale in scales.items():
        np.testing.assert_allclose(updates[name], -scale * orthogonalize(params[name]), atol=1e-5)


def test_no_matrix_is_taken_too():
    params = {"bias": draw(4)}
    np.testing.assert_allclose(
        one_step(ro.muon(0.1), params)["bias"],
        one_step(ro.adamw(0.1, weight_decay=0.0, nesterov=True), params)["bias"],
    )


def test_a_prefix_of_dimension_numbers_speaks_for_a_subtree():
    params = {"convs": {"a": draw(2, 2, 3, 4), "b": draw(1, 1, 4, 4)}, "head": draw(4, 2)}
    numbers = {"convs": MuonDimensionNumbers((0, 1, 2), 3), "head": None}
    updates = one_step(ro.muon(1.0, muon_weight_dimension_numbers=numbers), params)
    flat = params["convs"]["a"].reshape(12, 4)
    np.testing.assert_allclose(
        updates["convs"]["a"], -orthogonalize(flat).reshape(2, 2, 3, 4), atol=1e-5
    )
    adam = one_step(ro.nadam(1.0), params)
    np.testing.assert_allclose(updates["head"], adam["head"])


def test_axes_that_are_neither_rows_nor_columns_are_batches():
    heads = draw(4, 3, 5)  # inputs, heads, outputs
    tx = ro.scale_by_muon(weight_dimension_numbers=MuonDimensionNumbers(0, 2))
    together = one_step(tx, {"w": heads})["w"]
    for head in range(3):
        np.testing.assert_allclose(together[:, head], orthogonalize(heads[:, head]), atol=1e-5)


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_a_leaf_that_is_no_matrix_is_refused_by_path_and_shape(rank):
    params = {"layer": {"w": jnp.ones((2,) * rank)}}
    with pytest.raises(ValueError, match=r"'layer/w' has shape \(.*MuonDimensionNumbers"):
        ro.scale_by_muon().init(params)


def test_rows_and_columns_that_share_an_axis_are_refused():
    tx = ro.scale_by_muon(weight_dimension_numbers=MuonDimensionNumbers((0, 1), -2))
    with pytest.raises(ValueError, match=r"'w' of shape \(2, 3, 4\) needs separate axes"):
        tx.init({"w": jnp.ones((2, 3, 4))})


@pytest.mark.parametrize(
    ("given", "message"), [((1.0, 2.0), r"must be \(a, b, c\)"), (((1.0, 0.0, 0.0),) * 6, "6 rows")]
)
def test_coefficients_of_a_wrong_shape_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        ro.scale_by_muon(given).init({"w": jnp.ones((2, 2))})


def test_each_group_has_its_learning_rate():
    params = {"w": draw(3, 4), "bias": draw(4)}
    tx = ro.muon(0.02, adam_learning_rate=0.001)
    rates = ro.learning_rate(tx, tx.init(params))
    assert {name: round(float(rate), 6) for name, rate in rates.items()} == {
        "muon": 0.02,
        "adam": 0.001,
    }
