import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro

PARAMS = {
    "enc": {"kernel": jnp.array([[1.0, -2.0], [3.0, 0.5]]), "bias": jnp.array([1.0, 2.0])},
    "dec": {"kernel": jnp.array([[2.0, 1.0]]), "bias": jnp.array([4.0])},
}
GRADS = jax.tree.map(lambda p: 0.3 * p + 0.1, PARAMS)
BY_RANK = ro.label_by({"matrix": ro.select(ndim=2)}, default="vector")
LABELS = {
    "whole": {"enc": {"kernel": "a", "bias": "b"}, "dec": {"kernel": "b", "bias": "a"}},
    "prefix": {"enc": "a", "dec": "b"},
    "function": lambda tree: {key: "a" if key == "enc" else "b" for key in tree},
    "label_by": ro.label_by({"a": ro.select("**/kernel")}, default="b"),
}


def same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-12), a, b)


# --- label_by -----------------------------------------------------------------------------


def test_the_first_selector_that_matches_wins():
    labels = ro.label_by(
        {"first": ro.select("enc/kernel"), "kernels": ro.select("**/kernel")}, default="rest"
    )
    assert labels(PARAMS) == {
        "enc": {"kernel": "first", "bias": "rest"},
        "dec": {"kernel": "kernels", "bias": "rest"},
    }


def test_a_leaf_without_a_label():
    labels = ro.label_by({"a": ro.select("enc/*"), "b": ro.select("dec/kernel")})
    with pytest.raises(ValueError, match="no selector matches dec/bias; give a default"):
        labels(PARAMS)


def test_a_selector_that_matches_nothing():
    labels = ro.label_by({"a": ro.select("**/weight")}, default="b")
    with pytest.raises(ValueError, match=r"select\('\*\*/weight'\) matches no leaf"):
        labels(PARAMS)


def test_none_needs_no_label():
    params = {"a": jnp.ones(2), "b": None}
    labels = ro.label_by({"x": ro.select("a")})
    assert labels(params) == {"a": "x", "b": None}
    tx = ro.partition({"x": ro.sgd(0.5)}, labels)
    updates, _ = tx.update(params, tx.init(params), params)
    assert updates["a"].tolist() == [-0.5, -0.5]
    assert updates["b"] is None


# --- assignment ---------------------------------------------------------------------------


def test_assignment_prints_a_table():
    params = {"a": {"kernel": jnp.ones((40, 50)), "bias": jnp.ones(50)}, "scale": jnp.ones(())}
    by_rank = ro.label_by({"decay": ro.select(min_ndim=2)}, default="plain")
    assert str(ro.assignment(by_rank, params)) == (
        "plain: 2 leaves, 51 elements\n"
        "  a/bias  (50,)\n"
        "  scale  ()\n"
        "decay: 1 leaf, 2,000 elements\n"
        "  a/kernel  (40, 50)"
    )


@pytest.mark.parametrize("labels", [{"enc": "a", "dec": "b"}, lambda p: {"enc": "a", "dec": "b"}])
def test_assignment_of_a_prefix(labels):
    groups = ro.assignment(labels, PARAMS).groups
    assert groups == {
        "a": {"enc/bias": (2,), "enc/kernel": (2, 2)},
        "b": {"dec/bias": (1,), "dec/kernel": (1, 2)},
    }


def test_assignment_of_one_label_for_all():
    groups = ro.assignment("a", PARAMS).groups
    assert set(groups["a"]) == {"enc/bias", "enc/kernel", "dec/bias", "dec/kernel"}


def test_assignment_of_a_partition():
    tx = ro.partition({"matrix": ro.sgd(0.1), "vector": ro.sgd(0.2)}, BY_RANK)
    assert ro.assignment(tx, PARAMS) == ro.assignment(BY_RANK, PARAMS)
    assert set(ro.assignment(tx, PARAMS).groups["matrix"]) == {"enc/kernel", "dec/kernel"}


@pytest.mark.parametrize("name", ["mine", "partition"])
def test_assignment_of_a_partition_by_another_name(name):
    tx = ro.partition({"matrix": ro.sgd(0.1), "vector": ro.sgd(0.2)}, BY_RANK).named(name)
    assert ro.assignment(tx, PARAMS) == ro.assignment(BY_RANK, PARAMS)


def test_assignment_of_muon():
    assert ro.assignment(ro.muon(0.1), PARAMS).groups == {
        "muon": {"dec/kernel": (1, 2), "enc/kernel": (2, 2)},
        "adam": {"dec/bias": (1,), "enc/bias": (2,)},
    }


def test_assignment_of_a_transformation_without_groups():
    with pytest.raises(ValueError, match=r"assignment: adam\(.*\) has no groups"):
        ro.assignment(ro.adam(0.1), PARAMS)


def test_assignment_leaves_none_out():
    groups = ro.assignment({"a": "x", "b": "x"}, {"a": jnp.ones(2), "b": None}).groups
    assert groups == {"x": {"a": (2,)}}


# --- partition ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", LABELS)
def test_equals_optax_in_update_and_state(name):
    ours = ro.partition({"a": ro.adam(0.1), "b": ro.sgd(0.2, momentum=0.9)}, LABELS[name])
    theirs = optax.partition(
        {"a": optax.adam(0.1), "b": optax.sgd(0.2, momentum=0.9)}, LABELS[name]
    )
    with jax.enable_x64(True):
        params, grads = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), (PARAMS, GRADS))
        state, expected_state = ours.init(params), theirs.init(params)
        same(state, expected_state)
        for _ in range(3):
            updates, state = jax.jit(ours.update)(grads, state, params)
            with jax.numpy_dtype_promotion("standard"):
                expected, expected_state = theirs.update(grads, expected_state, params)
            same(updates, expected)
            same(state, expected_state)


def test_each_group_has_its_own_statistics():
    """A norm is the group's, not the whole tree's."""
    tx = ro.partition({"matrix": ro.clip_by_global_norm(1.0), "vector": ro.scale(1.0)}, BY_RANK)
    updates, _ = tx.update(GRADS, tx.init(PARAMS), PARAMS)
    matrices = [updates["enc"]["kernel"], updates["dec"]["kernel"]]
    np.testing.assert_allclose(ro.global_norm(matrices), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(updates["enc"]["bias"], GRADS["enc"]["bias"])


def test_a_label_without_a_transformation():
    tx = ro.partition({"matrix": ro.sgd(0.1)}, BY_RANK)
    with pytest.raises(ValueError, match=r"no transformation for the label\(s\) \['vector'\]") as e:
        tx.init(PARAMS)
    assert "dec/bias  (1,)" in str(e.value)
    assert "['matrix']" in str(e.value)


def test_labels_that_do_not_match_name_the_paths_on_one_side_only():
    labels = {"enc": "a", "head": "a"}
    tx = ro.partition({"a": ro.sgd(0.1)}, labels)
    state = optax.PartitionState({"a": optax.MaskedState(None)})
    only = r"of the labels only: head\. .* of the parameters only: dec/bias, dec/kernel\."
    for who, call in {
        "partition": lambda: tx.init(PARAMS),
        "partition: ": lambda: tx.update(GRADS, state, PARAMS),
        "assignment": lambda: ro.assignment(labels, PARAMS),
    }.items():
        with pytest.raises(ValueError, match=f"^{who}.*label tree does not match.*{only}"):
            call()


def test_a_transformation_without_parameters():
    transforms = {"matrix": ro.sgd(0.1), "vector": ro.sgd(0.1), "tensor": ro.sgd(0.1)}
    with pytest.raises(ValueError, match=r"no parameter has the label\(s\) \['tensor'\]") as error:
        ro.partition(transforms, BY_RANK).init(PARAMS)
    assert "enc/kernel  (2, 2)" in str(error.value)


def test_inside_a_mask_a_group_may_be_empty():
    tx = ro.masked(
        ro.partition({"matrix": ro.scale(2.0), "vector": ro.scale(3.0)}, BY_RANK),
        ro.select("**/bias"),
    )
    updates, _ = tx.update(GRADS, tx.init(PARAMS), PARAMS)
    np.testing.assert_allclose(updates["enc"]["bias"], 3 * GRADS["enc"]["bias"])
    np.testing.assert_array_equal(updates["enc"]["kernel"], GRADS["enc"]["kernel"])


def test_the_metric_is_each_groups_own():
    tx = ro.partition({"matrix": ro.sgd(0.1), "vector": ro.sgd(0.25)}, BY_RANK)
    metric = tx.metric(tx.init(PARAMS), PARAMS)
    np.testing.assert_allclose(metric["enc"]["kernel"], 10.0, rtol=1e-6)
    np.testing.assert_allclose(metric["dec"]["bias"], 4.0, rtol=1e-6)
