"""Which objects of the second face are Optax's very own, by kind and place.

Types and states, losses, projections, perturbations, assignment, second order, microbatching,
tree and numerics helpers. No transformation, optimiser, wrapper or schedule is among them.
"""

import functools
import importlib
import inspect
import pickle
import pkgutil
import re
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import pytest

import regopt_jax as ro
from regopt_jax import optax as face
from regopt_jax.optax._mirror import original
from tests.optax.probe import require_alike, steps

MODULES = [
    "optax",
    *sorted(
        found.name
        for found in pkgutil.walk_packages(optax.__path__, "optax.")
        if not found.name.endswith("_test")
    ),
]

# Where whatever is defined stays Optax's own.
OUTSIDE = (
    "optax.assignment", "optax.losses", "optax.microbatching", "optax.perturbations",
    "optax.projections", "optax.second_order", "optax.tree_utils",
    "optax._src.deprecations", "optax._src.linear_algebra", "optax._src.numerics",
    "optax._src.utils", "optax._src.test_utils",
)  # fmt: skip

# Functions of arrays and of the loss that lie beside transformations.
HELPERS = {
    "init_empty_state": "the state () of what has none",
    "lerp": "between two numbers",
    "orthogonalize_via_newton_schulz": "of one matrix",
    "unitwise_clip": "of one array",
    "unitwise_norm": "of one array",
    "value_and_grad_from_state": "the loss, of what a line search left in its state",
}

# What a function makes that is a transformation or a schedule, in words of its annotation.
MAKES = re.compile(r"GradientTransformation|Aggregator\b|Schedule\b|MultiSteps\b")


class Own(NamedTuple):
    """An object that Optax defines and the face has as it is."""

    module: str
    name: str
    value: Any


def defined() -> Iterator[tuple[Own, Any]]:
    """Every public name of Optax for something that it defines, and what the face has there."""
    for name in MODULES:
        mirrored = importlib.import_module(name.replace("optax", "regopt_jax.optax", 1))
        for key, value in vars(original(name)).items():
            if not (key.startswith("_") or isinstance(value, types.ModuleType)) and theirs(value):
                yield Own(home(value), key, value), getattr(mirrored, key)


def home(value: Any) -> str:
    """Where Optax defines it."""
    value = value.func if isinstance(value, functools.partial) else value
    return str(getattr(value, "__module__", None) or type(value).__module__)


def theirs(value: Any) -> bool:
    return home(value).partition(".")[0] == "optax"


NAMES = list(defined())
OWN = [own for own, mine in NAMES if mine is own.value]


def is_outside(own: Own) -> bool:
    return own.module.startswith(OUTSIDE)


def is_type(own: Own) -> bool:
    """A state, a pair of functions or another tuple, or what an object is only held against."""
    return inspect.isclass(own.value) and (
        issubclass(own.value, tuple) or getattr(own.value, "_is_protocol", False)
    )


def makes(value: Any) -> str:
    """The annotation of what a function returns."""
    try:
        return inspect.formatannotation(inspect.signature(value).return_annotation)
    except (TypeError, ValueError):
        return ""


def test_the_walk_reaches_all_of_optax():
    assert len(MODULES) > 50
    assert len({own.name for own, _ in NAMES}) > 400
    known = {own.value for own in OWN if not isinstance(own.value, functools.partial)}
    assert known >= {
        optax.l2_loss, optax.GradientTransformation, optax.ScaleByAdamState, optax.safe_increment,
        optax.contrib.MuonState, optax.projections.projection_simplex, optax.tree.map_params,
        optax.losses.sigmoid_focal_loss, optax.perturbations.Gumbel,
    }  # fmt: skip


def test_what_is_optaxs_own_is_a_type_or_outside_of_what_this_library_is_about():
    others = {
        f"{own.module}.{own.name}"
        for own in OWN
        if not (is_type(own) or is_outside(own) or own.name in HELPERS)
    }
    assert others == set()


def test_every_helper_is_still_there():
    assert {own.name for own in OWN} >= set(HELPERS)


def test_no_function_that_makes_a_transformation_or_a_schedule_is_optaxs_own():
    makers = [own for own, _ in NAMES if MAKES.search(makes(own.value)) and not is_type(own)]
    assert len({own.name for own in makers}) > 120
    kept = {f"{own.module}.{own.name}" for own in makers if own in OWN}
    assert kept == set()


def test_no_transformation_and_no_schedule_is_optaxs_own():
    """An object that was made is one too, as is a partial of what makes one."""
    made = (optax.GradientTransformation, optax.GradientTransformationExtraArgs)
    values = [own.value for own in OWN]
    assert [x for x in values if isinstance(x, (*made, functools.partial))] == []
    classes = [own for own in OWN if inspect.isclass(own.value) and not is_outside(own)]
    behave = [own.name for own in classes if hasattr(own.value, "update") and not is_type(own)]
    assert behave == []


MATRIX = optax.contrib.MuonDimensionNumbers()
PARTS = {
    "scale_by_dog": ("_dog", lambda dog: dog.scale_by_dog(("distance", 0.1))),
    "scale_by_dog-heuristic": ("_dog", lambda dog: dog.scale_by_dog(("heuristic", 0.1), 1e-3)),
    "scale_by_dowg": ("_dog", lambda dog: dog.scale_by_dowg(0.5)),
    "scale_by_shape": ("_muon", lambda muon: muon.scale_by_shape(MATRIX)),
    "scale_by_shape-rms": ("_muon", lambda muon: muon.scale_by_shape(MATRIX, 0.2)),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_that_optax_does_not_export_are_ours_and_do_as_there(name):
    where, make = PARTS[name]
    w = jnp.arange(6.0).reshape(2, 3) / 7 + 0.1

    def probe(of: Any) -> Any:
        module = f"{'optax' if of is optax else 'regopt_jax.optax'}.contrib.{where}"
        tx = make(original(module) if of is optax else importlib.import_module(module))
        assert isinstance(tx, ro.GradientTransformation) == (of is face)
        return steps(tx, w, (jnp.sin(w), w, -w))

    require_alike(probe)


@pytest.mark.parametrize("of", [ro, ro.schedules, face, face.schedules], ids=lambda m: m.__name__)
def test_a_schedule_that_keeps_its_count(of):
    wrapped = of.WrappedSchedule(ro.linear_schedule(1.0, 0.0, 4))
    assert isinstance(wrapped, optax.schedules.StatefulSchedule)
    state = wrapped.update(wrapped.init(), loss=1.0)
    assert float(wrapped(state)) == 0.75
    tx = of.inject_hyperparams(ro.scale)(step_size=wrapped)
    state = tx.init(jnp.ones(2))
    _, state = jax.jit(tx.update)(jnp.ones(2), state)
    assert float(tx.update(jnp.ones(2), state)[0][0]) == 0.75
    assert pickle.loads(pickle.dumps(state.hyperparams_states["step_size"])).count == 1
