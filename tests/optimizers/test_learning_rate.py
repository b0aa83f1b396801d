"""What a learning rate may be: in the second face what it may be in Optax, for each optimiser."""

import functools
import inspect
import types
import typing

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro
from tests.optax.probe import G, outcome, require_alike, steps

RATES = {
    "none": None,
    "schedule": lambda count: 0.1 / (count + 1),
    "array": jnp.array(0.1),
    "numpy": np.float32(0.1),
}
# What one needs beside the learning rate.
CALLS = {
    "dpsgd": lambda o: {"l2_norm_clip": 1.0, "noise_multiplier": 0.1, "seed": 0},
    "noisy_sgd": lambda o: {"key": 0},
    "schedule_free": lambda o: {"base_optimizer": o.sgd(0.1)},
}
UPDATES = {
    "sophia": {"obj_fn": lambda w: jnp.sum(w["w"] ** 4) + w["b"][0] ** 2},
    "lbfgs": {"value": 6.0, "grad": G, "value_fn": lambda w: jnp.sum(w["w"] ** 2) + w["b"][0] ** 2},
    "momo": {"value": 1.0},
    "momo_adam": {"value": 1.0},
}


def optimisers(module):
    """The functions of a module of Optax that take a learning rate, by name."""
    return [
        name
        for name, function in vars(module).items()
        if not name.startswith("_")
        and isinstance(function, types.FunctionType | functools.partial)
        and "learning_rate" in inspect.signature(function).parameters
    ]


OPTIMISERS = optimisers(optax) + optimisers(optax.contrib)


def found(o, name):
    return getattr(o.contrib if hasattr(o.contrib, name) else o, name)


def taken(o, name, rate):
    """Some steps of an optimiser of this name with this learning rate, from the first update on."""
    grads = {key: g[None] for key, g in G.items()} if name == "dpsgd" else G
    tx = found(o, name)(learning_rate=rate, **CALLS.get(name, lambda o: {})(o))
    return steps(tx, grads=[grads] * 2, **UPDATES.get(name, {}))[1:]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_rate_is_taken_as_optax_takes_it(name, rate):
    if name == "sm3" and rate in ("none", "schedule"):
        pytest.skip("Optax negates whatever it gets; ours takes what the other optimisers take")
    require_alike(lambda o: taken(o, name, RATES[rate]), rtol=1e-5, error=Exception)


@pytest.mark.parametrize("name", [name for name in OPTIMISERS if hasattr(ro, name)])
def test_our_own_face_takes_none_where_optax_does(name):
    """There it is no scaling at all."""
    theirs, _ = outcome(lambda o: taken(o, name, None), optax)
    hint = inspect.signature(found(ro, name)).parameters["learning_rate"].annotation
    assert (type(None) in typing.get_args(hint)) != isinstance(theirs, Exception)
    if isinstance(theirs, Exception):
        with pytest.raises(TypeError, match=f"{name}: learning_rate must be a number"):
            taken(ro, name, None)
    else:
        assert jax.tree.structure(taken(ro, name, None)) == jax.tree.structure(theirs)
