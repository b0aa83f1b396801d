import jax
import jax.numpy as jnp
import pytest

import regopt_jax as ro

PARAMS = {
    "embed": {"kernel": jnp.ones((3, 2))},
    "layers": [
        {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)},
        {
            "kernel": jnp.ones((2, 2)),
            "bias": jnp.ones(2),
            "conv": {"kernel": jnp.ones((1, 1, 2, 2))},
        },
    ],
    "kernel": jnp.ones(()),
    "w1": jnp.ones(1),
    "w12": jnp.ones(1),
    "w.x": jnp.ones(1),
}
EVERY = {
    *("embed/kernel", "layers/0/kernel", "layers/0/bias", "layers/1/kernel", "layers/1/bias"),
    *("layers/1/conv/kernel", "kernel", "w1", "w12", "w.x"),
}


def chosen(selector, tree=PARAMS):
    leaves, _ = jax.tree.flatten_with_path(selector(tree))
    return {jax.tree_util.keystr(path, simple=True, separator="/") for path, on in leaves if on}


def test_the_mask_has_the_structure_of_the_tree():
    mask = ro.select("**/kernel")(PARAMS)
    assert jax.tree.structure(mask) == jax.tree.structure(PARAMS)
    assert {type(leaf) for leaf in jax.tree.leaves(mask)} == {bool}


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("kernel", {"kernel"}),
        ("*/kernel", {"embed/kernel"}),
        ("*/*/kernel", {"layers/0/kernel", "layers/1/kernel"}),
        (
            "**/kernel",
            {
                "kernel",
                "embed/kernel",
                "layers/0/kernel",
                "layers/1/kernel",
                "layers/1/conv/kernel",
            },
        ),
        ("layers/**/kernel", {"layers/0/kernel", "layers/1/kernel", "layers/1/conv/kernel"}),
        ("layers/1/**", {"layers/1/kernel", "layers/1/bias", "layers/1/conv/kernel"}),
        ("**/1/**/kernel", {"layers/1/kernel", "layers/1/conv/kernel"}),
        ("**/bi*", {"layers/0/bias", "layers/1/bias"}),
        ("**/*ern*", {p for p in EVERY if p.endswith("kernel")}),
        ("w?", {"w1"}),
        ("w??", {"w12", "w.x"}),
        ("w*", {"w1", "w12", "w.x"}),
        ("w.x", {"w.x"}),
        ("w.2", None),
        ("layers?0?kernel", None),
        ("*kernel", {"kernel"}),
        ("ernel", None),
        ("kerne", None),
        ("**", EVERY),
        ("**/*", EVERY),
        ("*", {"kernel", "w1", "w12", "w.x"}),
    ],
)
def test_globs(pattern, matched):
    selector = ro.select(pattern)
    if matched is None:
        with pytest.raises(ValueError, match="matches no leaf"):
            selector(PARAMS)
        matched = set()
    assert chosen(ro.select(pattern, required=False)) == matched


def test_a_tree_that_is_one_leaf():
    assert ro.select("**")(jnp.ones(2)) is True
    assert ro.select(ndim=1)(jnp.ones(2)) is True
    assert ro.select(ndim=0, required=False)(jnp.ones(2)) is False


def test_ranks():
    assert chosen(ro.select(ndim=0)) == {"kernel"}
    assert chosen(ro.select(ndim=4)) == {"layers/1/conv/kernel"}
    assert chosen(ro.select(min_ndim=2)) == {
        *("embed/kernel", "layers/0/kernel", "layers/1/kernel", "layers/1/conv/kernel")
    }
    assert chosen(ro.select("layers/**", min_ndim=2, ndim=4)) == {"layers/1/conv/kernel"}


def test_ranks_of_shapes_without_arrays():
    abstract = jax.eval_shape(lambda: PARAMS)
    assert chosen(ro.select(min_ndim=2), abstract) == chosen(ro.select(min_ndim=2))


def test_predicates_see_the_path_and_the_leaf():
    def big_and_deep(path, x):
        return path.count("/") > 1 and x.size >= 4

    selector = ro.select(big_and_deep)
    assert chosen(selector) == {"layers/0/kernel", "layers/1/kernel", "layers/1/conv/kernel"}
    assert repr(selector) == "select(big_and_deep)"


def test_algebra():
    kernels, ranked, first = ro.select("**/kernel"), ro.select(min_ndim=2), ro.select("layers/0/*")
    assert chosen(kernels & ranked) == chosen(kernels) & chosen(ranked)
    assert chosen(kernels | first) == chosen(kernels) | chosen(first)
    assert chosen(~kernels) == EVERY - chosen(kernels)
    assert chosen(~(kernels | first)) == chosen(~kernels & ~first)
    assert chosen(ranked & ~first) == chosen(ranked) - chosen(first)
    assert repr(kernels & ~first) == "(select('**/kernel') & ~select('layers/0/*'))"
    assert repr(ranked | first) == "(select(min_ndim=2) | select('layers/0/*'))"


def test_no_match_lists_the_paths():
    tree = {"a": {"b": jnp.ones(1)}, "c": jnp.ones(1)}
    with pytest.raises(ValueError, match=r"select\('z'\) matches no leaf. There are: a/b, c\."):
        ro.select("z")(tree)
    with pytest.raises(ValueError, match=r"~select\('\*\*'\) matches no leaf"):
        (~ro.select("**"))(tree)
    with pytest.raises(ValueError, match=r"\(select\('c'\) & select\('a/\*'\)\) matches no leaf"):
        (ro.select("c") & ro.select("a/*"))(tree)


def test_half_of_a_union_may_match_nothing():
    assert chosen(ro.select("z") | ro.select("w1")) == {"w1"}


def test_not_required():
    optional = ro.select("z", required=False)
    assert chosen(optional) == set()
    assert chosen(optional & ro.select("y")) == set()
    assert chosen(~ro.select("**", required=False)) == set()


def test_an_empty_tree_is_no_error():
    assert ro.select("z")({}) == {}


def test_none_has_no_place_in_the_mask():
    tree = {"a": None, "b": jnp.ones(2)}
    assert ro.select("**")(tree) == {"a": None, "b": True}
    assert (~ro.select("b", required=False))(tree) == {"a": None, "b": False}
    assert ro.select(ndim=1)(tree) == {"a": None, "b": True}
    # It may be what was meant: without a gradient at this step, or not trained.
    assert ro.select("a")(tree) == {"a": None, "b": False}
    with pytest.raises(ValueError, match="matches no leaf"):
        ro.select("c")(tree)


def test_a_condition_is_needed():
    with pytest.raises(ValueError, match="give a pattern"):
        ro.select()


def test_hidden_leaves_are_not_missed():
    """Inside a mask a selector sees the leaves that the mask left, and does not complain."""
    inner = ro.masked(ro.scale(10.0), ro.select("b"))
    params = {"a": jnp.ones(2), "b": jnp.ones(2)}
    with pytest.raises(ValueError, match=r"select\('b'\) matches no leaf"):
        inner.init({"a": jnp.ones(2)})
    tx = ro.masked(inner, ro.select("a"))
    updates, _ = tx.update(params, tx.init(params), params)
    assert updates["a"].tolist() == updates["b"].tolist() == [1.0, 1.0]
    tx = ro.masked(inner, ro.select("*"))
    updates, _ = tx.update(params, tx.init(params), params)
    assert (updates["a"].tolist(), updates["b"].tolist()) == ([1.0, 1.0], [10.0, 10.0])


def test_as_a_mask_of_optax():
    import optax

    tx = optax.masked(optax.scale(3.0), ro.select("**/bias"))
    updates, _ = tx.update(PARAMS, tx.init(PARAMS), PARAMS)
    assert float(updates["layers"][0]["bias"][0]) == 3.0
    assert float(updates["layers"][0]["kernel"][0, 0]) == 1.0
