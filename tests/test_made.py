"""A transformation is the call that made it: equal, hashable, copied, pickled, written."""

import copy
import json
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro
from regopt_jax.interop import torch as rt

W = {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)}


def calls():
    kernels = ro.select("**/kernel", required=False) & ~ro.select(ndim=1)
    rate = ro.warmup_cosine_decay_schedule(0.0, 1e-3, 10, 100)
    penalty = ro.elastic_net(1e-3, 1e-2).on(ro.select(min_ndim=2)) + 2 * ro.l1(0.1)
    return [
        ro.adamw(rate, mask=kernels, mu_dtype=jnp.bfloat16),
        ro.regularize(ro.adam(jnp.array(0.1)), penalty, "proximal"),
        ro.muon(0.1, ns_coeffs="dion"),
        ro.partition({"a": ro.sgd(0.1), "b": ro.lion(1e-3)}, {"kernel": "a", "bias": "b"}),
        ro.named_chain(("clip", ro.clip(1.0)), ("step", ro.accumulate(ro.sgd(0.1), 2))),
        ro.inject_hyperparams(ro.adam)(1e-2),
        ro.chain(ro.trace(np.float32(0.9)), ro.scale_by_learning_rate(0.5)),
        rt.adam(betas=(0.8, 0.9)),
        ro.chain(),
    ]


PAIRS = list(zip(calls(), calls(), strict=True))


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=lambda tx: tx.name)
def test_equal_calls_are_equal(a, b):
    assert a == b
    assert hash(a) == hash(b)
    assert len({a, b}) == 1


OTHERS = [
    (ro.adam(0.1), ro.adam(0.2)),
    (ro.adam(1), ro.adam(1.0)),
    (ro.adam(0.1), ro.adamw(0.1)),
    (ro.adam(jnp.array(0.1)), ro.adam(jnp.array(0.2))),
    (ro.adam(jnp.array(0.1)), ro.adam(0.1)),
    (ro.adam(lambda t: 0.1), ro.adam(lambda t: 0.1)),
    (ro.scale(0.0), ro.scale(-0.0)),
    (ro.chain(ro.clip(1.0)), ro.chain(ro.clip(1.0), ro.clip(1.0))),
    (ro.masked(ro.sgd(0.1), ro.select("a")), ro.masked(ro.sgd(0.1), ro.select("b"))),
    (ro.adam(0.1), optax.adam(0.1)),
]


@pytest.mark.parametrize(("a", "b"), OTHERS)
def test_other_calls_are_not(a, b):
    assert a != b


def test_as_a_static_argument_an_equal_one_compiles_once():
    run = jax.jit(lambda tx, w: tx.update(w, tx.init(w), w)[0], static_argnums=0)
    for _ in range(3):
        run(ro.adamw(1e-2), W)
    assert run._cache_size() == 1
    run(ro.adamw(1e-3), W)
    assert run._cache_size() == 2


def test_comparing_never_fails():
    class Unhashable:
        __hash__ = None

    for x in [jnp.array([1.0, 2.0]), {"a": [1, {2}]}, Unhashable(), float("nan"), lambda: 0]:
        made = ro.label_by({"a": ro.select("a")}, default=x)
        again = ro.label_by({"a": ro.select("a")}, default=x)
        assert made == again
        assert hash(made) == hash(again)
    assert float(jax.jit(lambda lr: lr if ro.adam(lr) == ro.adam(lr) else 0 * lr)(2.0)) == 2.0


def test_again_changes_arguments_and_keeps_the_others():
    tx = ro.adamw(1e-2, b1=0.8)
    assert tx.made.again(b2=0.5) == ro.adamw(1e-2, b1=0.8, b2=0.5)
    assert tx.made.again() == tx
    with pytest.raises(TypeError, match="adamw takes no beta; its arguments are learning_rate"):
        tx.made.again(beta=0.5)
    with pytest.raises(ValueError, match="b1 must be in"):
        tx.made.again(b1=2.0)
    with pytest.raises(TypeError, match="by hand"):
        ro.leafwise(lambda g: g, role="gradient").made.again()


@pytest.mark.parametrize("tx", calls(), ids=lambda tx: tx.name)
def test_copies_pickles_and_replacements_are_whole(tx):
    assert copy.copy(tx) is tx
    assert copy.deepcopy(tx) is tx
    assert tx._replace() is tx
    other = pickle.loads(pickle.dumps(tx))
    assert other == tx
    assert repr(other) == repr(tx)
    bare = tx._replace(update=tx.update)
    assert (bare.role, bare.parts, bare.metric) == ("unknown", (), None)
    assert str(ro.describe(ro.chain(bare)))
    assert type(tx)._make(tuple(tx)).init is tx.init


def test_what_closes_over_functions_is_cloudpickled():
    cloudpickle = pytest.importorskip("cloudpickle")
    tx = ro.chain(ro.clip(1.0), ro.adamw(lambda t: 0.1 / (t + 1), mask=ro.select("kernel")))
    own = ro.leafwise(lambda g: 0.5 * g, role="step_size")
    for one in (tx, own, ro.chain(own)):
        other = cloudpickle.loads(cloudpickle.dumps(one))
        results = [t.update(W, t.init(W), W)[0] for t in (one, other)]
        jax.tree.map(np.testing.assert_array_equal, *results)
    step = ro.train_step(lambda p, x: jnp.sum(p["bias"] * x), tx)
    again = cloudpickle.loads(cloudpickle.dumps(step))
    states = [run(ro.TrainState.create(W, tx), 2.0)[0].params for run in (step, again)]
    jax.tree.map(np.testing.assert_array_equal, *states)


@pytest.mark.parametrize("tx", calls(), ids=lambda tx: tx.name)
def test_public_calls_are_written_as_json(tx):
    text = ro.to_json(tx)
    json.loads(text)
    assert ro.from_json(text) == tx


UNWRITTEN = [
    (ro.adam(lambda t: 0.1), r"adam\.learning_rate"),
    (ro.chain(ro.clip(1.0), ro.masked(ro.sgd(0.1), lambda p: p)), r"mask"),
    (ro.chain(optax.adam(0.1)), r"chain\.transformations\[0\]"),
    (ro.leafwise(lambda g: g, role="gradient", name="mine"), "mine"),
    (ro.masked(ro.sgd(0.1), {"a": {1}}), r"masked\.mask\['a'\]"),
]


@pytest.mark.parametrize(("tx", "where"), UNWRITTEN)
def test_what_no_public_function_made_is_refused_by_name(tx, where):
    with pytest.raises(TypeError, match=f"to_json: .*{where}.*"):
        ro.to_json(tx)


@pytest.mark.parametrize(
    "text",
    [
        '{"call": "nothing", "arguments": {}}',
        '{"call": "demo.cli.main", "arguments": {}}',
        '{"call": "_core.made.remake", "arguments": {}}',
        '{"dtype": "float32"}',
        '{"unknown": 1}',
        "1",
    ],
)
def test_json_of_something_else_is_refused(text):
    with pytest.raises(ValueError, match="from_json"):
        ro.from_json(text)


def test_a_name_of_ones_own():
    tx = ro.chain(ro.clip(1.0), ro.sgd(0.1)).named("mine")
    assert tx.name == ro.describe(tx).name == "mine"
    assert tx == ro.chain(ro.clip(1.0), ro.sgd(0.1))
