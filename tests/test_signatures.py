"""``import regopt_jax as optax``: no name is missing, and every call means what it meant."""

import inspect
import pathlib
import types
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro
from regopt_jax._core import optax_names

README = (pathlib.Path(__file__).parent.parent / "README.md").read_text()
MODULES = ("", "contrib", "schedules", "transforms")

# Same name, another call. Each is in the README's table of differences.
DIFFERENT = {
    "assignment": "the groups of a partition; Optax's module is not there",
    "bias_correction": "a transformation; Optax's function is tree_utils.tree_bias_correction",
    "rmsprop": "the lecture's defaults",
    "scale_by_rms": "the lecture's defaults",
    "scale_by_stddev": "the lecture's defaults",
}
# Defaults only; the names of the parameters and their order are Optax's.
OTHER_DEFAULTS = {
    name: {"decay": 0.99, "eps_in_sqrt": False}
    for name in ("rmsprop", "scale_by_rms", "scale_by_stddev")
}
ABSENT = {"": {}, "contrib": {}, "experimental.aggregating": {}, "schedules": {}, "transforms": {}}


def ours_of(module):
    return getattr(ro, module, None) if module else ro


def theirs_of(module):
    return getattr(optax, module) if module else optax


def names_of(module):
    theirs = theirs_of(module)
    listed = set(getattr(theirs, "__all__", ())) | set(vars(theirs))
    return sorted(n for n in listed if not n.startswith("_") and not _is_plumbing(theirs, n))


def _is_plumbing(module, name):
    """A module's imports are not its names."""
    member = vars(module).get(name)
    return isinstance(member, types.ModuleType) and not member.__name__.startswith("optax.")


EVERY = [(module, name) for module in MODULES for name in names_of(module)]


def shared():
    for module, name in EVERY:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = getattr(theirs_of(module), name)
            ours = getattr(ours_of(module), name, None)
        if inspect.isfunction(theirs) and ours is not None and ours is not theirs:
            yield pytest.param(name, ours, theirs, id=f"{module}.{name}" if module else name)


@pytest.mark.parametrize("module", MODULES)
def test_no_name_is_missing(module):
    missing = {name for name in names_of(module) if not hasattr(ours_of(module), name)}
    assert missing == set(ABSENT[module])


def test_none_of_the_transformations_and_schedules_is_optaxs_own():
    """What is taken unchanged are types, losses, projections and functions of trees."""
    makers = (optax.GradientTransformation, optax.Schedule)
    for name, member in vars(optax_names).items():
        if inspect.isfunction(member):
            returned = inspect.signature(member).return_annotation
            assert returned not in makers, name
            assert not (isinstance(returned, type) and issubclass(returned, makers[0])), name
    theirs = {name: m for name, m in vars(optax).items() if inspect.isfunction(m)}
    taken = {name for name, member in theirs.items() if getattr(ro, name, None) is member}
    assert taken <= set(vars(optax_names))


def test_a_name_taken_from_optax_is_not_also_ours():
    for name, member in vars(optax_names).items():
        if not name.startswith("_"):
            assert getattr(ro, name) is member, name


@pytest.mark.parametrize("module", ["schedules", "transforms"])
def test_a_module_and_the_root_have_the_same(module):
    for name in names_of(module):
        if hasattr(ro, name):
            assert getattr(ours_of(module), name) is getattr(ro, name), name
    with pytest.raises(AttributeError, match=f"module 'regopt_jax.{module}' has no attribute"):
        _ = ours_of(module).no_such_name


@pytest.mark.parametrize(("name", "ours", "theirs"), list(shared()))
def test_the_same_signature(name, ours, theirs):
    if name in DIFFERENT and name not in OTHER_DEFAULTS:
        assert f"`{name}`" in README
        return
    mine = list(inspect.signature(ours).parameters.values())
    for own, their in zip(mine, inspect.signature(theirs).parameters.values(), strict=False):
        assert own.kind is their.kind, own
        if own.kind is own.VAR_POSITIONAL or own.kind is own.VAR_KEYWORD:
            continue
        assert own.name == their.name
        expected = OTHER_DEFAULTS.get(name, {}).get(own.name, their.default)
        if isinstance(expected, optax.GradientTransformation):
            assert isinstance(own.default, ro.GradientTransformation), own
        elif callable(expected) and their.default is not their.empty:
            assert callable(own.default), own  # a function of theirs: the laws compare what it does
        elif their.default is not their.empty:
            assert own.default == expected, own
    count = len(inspect.signature(theirs).parameters)
    assert len(mine) >= count
    assert all(own.kind is own.KEYWORD_ONLY for own in mine[count:]), mine[count:]
    assert all(own.default is not own.empty for own in mine[count:]), mine[count:]


@pytest.mark.parametrize("name", sorted(DIFFERENT))
def test_a_different_call_is_in_the_readme(name):
    assert f"`{name}`" in README.split("## Where we differ from Optax")[1]


def test_a_default_that_differs_is_optaxs_elsewhere():
    """The dictionary holds no difference that there is not."""
    for name, defaults in OTHER_DEFAULTS.items():
        theirs = inspect.signature(getattr(optax, name)).parameters
        assert all(theirs[key].default != value for key, value in defaults.items())


# --- optax.tree over our states -----------------------------------------------------------

PARAMS = {"w": jnp.ones((3, 2)), "b": jnp.zeros(2)}
CHAINS = {
    "adamw": lambda o: o.adamw(o.linear_schedule(0.1, 0.0, 10)),
    "momentum": lambda o: o.chain(o.clip_by_global_norm(1.0), o.sgd(0.1, momentum=0.9)),
    "masked": lambda o: o.masked(o.adam(0.1), {"w": True, "b": False}),
    "partition": lambda o: o.partition({"w": o.adam(0.1), "b": o.sgd(0.1)}, {"w": "w", "b": "b"}),
    "injected": lambda o: o.inject_hyperparams(o.adam)(learning_rate=0.1, b1=0.8),
    "named": lambda o: o.named_chain(("first", o.scale_by_adam()), ("second", o.scale(-0.1))),
    "accumulated": lambda o: o.MultiSteps(o.adam(0.1), 2).gradient_transformation(),
}
KEYS = ("mu", "nu", "trace", "learning_rate", "inner_state", "hyperparams", "acc_grads", "first")


def after_a_step(tx):
    grads = jax.tree.map(lambda x: x + 0.5, PARAMS)
    with jax.numpy_dtype_promotion("standard"):
        return tx.update(grads, tx.init(PARAMS), PARAMS)[1]


def assert_same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6)


@pytest.mark.parametrize("name", CHAINS)
def test_tree_get_finds_the_same(name):
    ours, theirs = (after_a_step(CHAINS[name](o)) for o in (ro, optax))
    found = 0
    for key in KEYS:
        mine = ro.tree.get_all_with_path(ours, key)
        other = optax.tree.get_all_with_path(theirs, key)
        assert [path for path, _ in mine] == [path for path, _ in other]
        for (_, a), (_, b) in zip(mine, other, strict=True):
            assert_same(a, b)
        found += len(mine)
    assert found > 0


@pytest.mark.parametrize("name", CHAINS)
def test_tree_set_sets_the_same(name):
    ours, theirs = (after_a_step(CHAINS[name](o)) for o in (ro, optax))
    for key in ("mu", "trace", "learning_rate"):
        if len(optax.tree.get_all_with_path(theirs, key)) == 1:
            ours, theirs = (ro.tree.set(s, **{key: jnp.float32(7.0)}) for s in (ours, theirs))
    assert_same(ours, theirs)


@pytest.mark.parametrize("name", CHAINS)
def test_tree_map_params_maps_the_same(name):
    def moved(slot):
        return slot if isinstance(slot, optax.MaskedNode) else slot + 100

    def mapped(o):
        tx = CHAINS[name](o)
        return o.tree.map_params(
            tx,
            moved,
            after_a_step(tx),
            transform_non_params=lambda x: x * 0,
            is_leaf=lambda x: isinstance(x, optax.MaskedNode),
        )

    assert_same(mapped(ro), mapped(optax))
