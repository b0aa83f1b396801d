"""Masks and labels: what is no choice is refused by path, in everything that takes one."""

import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import regopt_jax as ro
from regopt_jax import optax as face
from tests.laws.rows import makers

PARAMS = {"dense": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}}
MASKS = {"mask", "where", "freeze_mask", "weight_decay_mask", "trust_ratio_mask", "momentum_mask"}
DECAYS = {"weight_decay", "weight_decay_rate", "adam_weight_decay"}
GIVEN = {  # the arguments beyond the mask
    "masked": {"inner": ro.sgd(0.1)}, "selective_transform": {"optimizer": ro.sgd(0.1)},
    "constant_norm": {"tx": ro.sgd(0.1)}, "quantized": {"inner": ro.adam(0.1), "min_size": 1},
}  # fmt: skip


def takers():
    for make in sorted(makers(), key=lambda f: (f.__module__, f.__name__)):
        for name in inspect.signature(make).parameters:
            if name in MASKS or name.endswith("mask"):
                yield make, name


TAKERS = {f"{make.__module__}.{make.__name__}-{name}": (make, name) for make, name in takers()}


def made(taker, choice):
    make, name = TAKERS[taker]
    own = dict(GIVEN.get(make.__name__, {}))
    for parameter in inspect.signature(make).parameters.values():
        if parameter.default is parameter.empty and parameter.name not in (name, *own):
            own[parameter.name] = 0.1
    # A mask of decay or of a ratio is asked only where there is any.
    own |= dict.fromkeys(DECAYS & set(inspect.signature(make).parameters), 0.1)
    return make(**own, **{name: choice})


def step(tx, params=PARAMS):
    def loss(p):
        return sum(jnp.sum(x) for x in jax.tree.leaves(p))

    return jax.eval_shape(lambda p: tx.update(p, tx.init(p), p, obj_fn=loss), params)


def test_all_are_tried():
    assert {"masked", "freeze", "adamw", "lars", "selective_transform"} <= {
        make.__name__ for make, _ in TAKERS.values()
    }


WRONG = {
    "none": (lambda q: None, r"mask at '<root>' is None, where True or False belongs"),
    "none-below": (
        lambda q: {"dense": {"kernel": None, "bias": False}},
        r"mask at 'dense/kernel' is None, where True or False belongs",
    ),
    "string": (
        lambda q: {"dense": {"kernel": "no", "bias": False}},
        r"the string 'no' at 'dense/kernel'.*regopt_jax.select\('no'\)",
    ),
    "float": (lambda q: {"dense": 0.5}, r"mask at 'dense' is 0.5, where True or False belongs"),
    "array": (
        lambda q: {"dense": jnp.array([True, False])},
        r"mask at 'dense' is .*, where True or False belongs",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("taker", TAKERS)
def test_what_is_no_boolean_is_refused_by_path(taker, wrong):
    mask, said = WRONG[wrong]
    with pytest.raises(ValueError, match=said):
        step(made(taker, mask))


@pytest.mark.parametrize("taker", TAKERS)
def test_a_tree_is_refused_as_a_function_of_it_is(taker):
    with pytest.raises(ValueError, match=r"the string 'no' at 'dense/kernel'"):
        step(made(taker, {"dense": {"kernel": "no", "bias": False}}))


class Module(eqx.Module):
    """Parameters, masks and labels that can be called."""

    weight: object
    bias: object

    def __call__(self, x):
        return self.weight @ x + self.bias


MODEL = Module(jnp.ones((2, 2)), jnp.ones(2))


@pytest.mark.parametrize("taker", TAKERS)
def test_a_module_that_can_be_called_is_a_tree(taker):
    step(made(taker, Module(True, False)), MODEL)


@pytest.mark.parametrize("o", [ro, face], ids=["ours", "face"])
def test_labels_may_be_a_module_that_can_be_called(o):
    labels = Module("fast", "slow")
    tx = o.partition({"fast": o.sgd(1.0), "slow": o.sgd(0.5)}, labels)
    updates, _ = tx.update(MODEL, tx.init(MODEL), MODEL)
    assert updates.weight[0, 0] == -1
    assert updates.bias[0] == -0.5
    muon = ro.muon if o is ro else o.contrib.muon
    assert isinstance(muon(0.1).init(MODEL), type(tx.init(MODEL)))


@pytest.mark.parametrize("o", [ro, face], ids=["ours", "face"])
@pytest.mark.parametrize(
    ("labels", "path"),
    [(None, "<root>"), ({"dense": {"kernel": "a", "bias": None}}, "dense/bias")],
    ids=["root", "leaf"],
)
def test_a_parameter_without_a_label_is_refused_by_path(o, labels, path):
    tx = o.partition({"a": o.sgd(0.1)}, lambda q: labels)
    with pytest.raises(ValueError, match=rf"labels at '{path}' is None, where a label belongs"):
        tx.init(PARAMS)


@pytest.mark.parametrize("o", [ro, face], ids=["ours", "face"])
def test_transforms_are_a_mapping(o):
    with pytest.raises(TypeError, match="partition: transforms must be a mapping"):
        o.partition([o.sgd(0.1)], lambda q: q)


@pytest.mark.parametrize("given", [True, False], ids=["params", "no-params"])
def test_a_frozen_leaf_may_be_of_integers_and_without_a_gradient(given):
    params = {"steps": jnp.array(3), "w": jnp.ones(2)}
    labels = ro.label_by({"frozen": ro.select("steps")}, "trained")
    for tx in (
        ro.partition({"trained": ro.adam(0.1), "frozen": ro.set_to_zero()}, labels),
        ro.chain(ro.adam(0.1), ro.freeze(ro.select("steps"))),
        ro.selective_transform(ro.adam(0.1), freeze_mask=ro.select("steps")),
    ):
        assert ro.describe(tx, params).elements == 2
        state = tx.init(params)
        for grads in ({"steps": None, "w": jnp.ones(2)}, {"steps": None, "w": jnp.ones(2)}):
            updates, state = tx.update(grads, state, *([params] if given else []))
            assert updates["steps"] is None
            assert jnp.allclose(updates["w"], -0.1, rtol=1e-4)
        train = ro.train_step(lambda p: jnp.sum(p["w"] ** 2), tx)
        state, _ = train(ro.TrainState.create(params, tx))
        assert state.params["steps"] == 3
    out, _ = ro.freeze(ro.select("steps")).update(params, ro.freeze(True).init(params), params)
    assert out["steps"] == 0


def test_other_nodes_with_equal_paths_are_told_apart():
    flax = pytest.importorskip("flax")
    tx = ro.adam(0.1)
    state = tx.init(flax.core.freeze(PARAMS))
    with pytest.raises(ValueError, match=r"at '<root>' the state have a FrozenDict, the .* a dict"):
        tx.update(PARAMS, state)
    below = {"dense": flax.core.freeze(PARAMS["dense"])}
    with pytest.raises(ValueError, match=r"at 'dense' the parameters have a FrozenDict, the"):
        tx.update(PARAMS, tx.init(PARAMS), below)
