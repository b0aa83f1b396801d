"""Law 6, of numbers: what is none is refused by name, when it is given and not a step later."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro
from regopt_jax import schedules
from regopt_jax._core.arguments import kinds
from regopt_jax.interop import torch as ro_torch
from regopt_jax.regularizers.norms import L1
from tests.cases import CASES
from tests.laws.rows import makers

ROWS = {case.make.func: case.make for case in reversed(CASES)}
SCHEDULES = {
    "constant_schedule": (0.1,),
    "polynomial_schedule": (1.0, 0.1, 2, 10),
    "linear_schedule": (1.0, 0.1, 10),
    "linear_warmup": (1.0, 10),
    "cosine_decay_schedule": (1.0, 10),
    "cosine_restarts": (1.0, 10),
    "exponential_decay": (1.0, 10, 0.5),
    "step_decay": (1.0, 10),
    "piecewise_constant_schedule": (1.0,),
    "piecewise_interpolate_schedule": ("linear", 1.0),
    "linear_onecycle_schedule": (10, 1.0),
    "cosine_onecycle_schedule": (10, 1.0),
    "warmup_cosine_decay_schedule": (0.0, 1.0, 5, 10),
    "warmup_constant_schedule": (0.0, 1.0, 5),
    "warmup_exponential_decay_schedule": (0.0, 1.0, 5, 10, 0.5),
    "warmup_stable_decay_schedule": (0.0, 1.0, 5, 10),
    "inverse_sqrt_schedule": (1.0, 5),
    "cosine_annealing": (1.0, 5),
    "one_cycle": (1.0, 5),
    "cyclic": (0.0, 1.0),
}
REGULARIZERS = {
    "l1": (0.1,), "l2": (0.1,), "elastic_net": (0.1, 0.1), "huber_l1": (0.1, 0.2), "l0": (0.1,),
    "l_half": (0.1,), "l_two_thirds": (0.1,), "group_lasso": (0.1,), "nuclear_norm": (0.1,),
    "sparse_group_lasso": (0.1, 0.1), "l2_ball": (1.0,), "l1_ball": (1.0,), "simplex": (1.0,),
    "box": (0.0, 1.0), "penalty": (L1(),),
}  # fmt: skip


def own(function):
    return getattr(function, "__wrapped__", function)


def arguments():
    """Each argument that is a number: ``(name, call of the others, argument, its kinds)``."""
    calls = [(f, ROWS[f], f"{f.__module__}.{f.__name__}") for f in makers() if f in ROWS]
    for makes in (SCHEDULES, REGULARIZERS):
        for name, args in makes.items():
            f = getattr(ro, name)
            given = inspect.signature(f).bind(*args).arguments
            calls.append((f, lambda f=f, given=given, **rest: f(**{**given, **rest}), name))
    for function, call, name in sorted(calls, key=lambda x: x[2]):
        for argument, kind in kinds(own(function)).items():
            yield pytest.param(function.__name__, call, argument, kind, id=f"{name}-{argument}")


WRONG = [[], [0.9], "0.9", {}, np.array(["0.9"]), lambda a, b: a]
ALL = list(arguments())
each = pytest.mark.parametrize(("who", "call", "argument", "kind"), ALL)


@each
def test_what_is_no_number_is_refused_by_name(who, call, argument, kind):
    if len(kind) > 1:
        wrong = [(x, *[0.5] * (len(kind) - 1)) for x in WRONG if not isinstance(x, list)]
    else:
        wrong = [*WRONG, *([] if kind[0].scheduled else [lambda step: 0.5])]
        wrong += [] if kind[0].optional else [None]
    for value in wrong:
        with pytest.raises(TypeError, match=rf"{who}: {argument} must be an? ") as caught:
            call(**{argument: value})
        assert "got" in str(caught.value) or "did you forget to call it" in str(caught.value)


@each
def test_a_function_of_the_step_is_taken_where_it_says_so(who, call, argument, kind):
    if not kind[0].scheduled:
        pytest.skip("a number")
    call(**{argument: lambda step: 2})


def test_most_hyperparameters_are_numbers():
    """So none is left out: whoever has a number by default is annotated as one."""
    assert len(ALL) > 300
    for function in [*makers(), *(getattr(ro, name) for name in (*SCHEDULES, *REGULARIZERS))]:
        for name, parameter in inspect.signature(function).parameters.items():
            number = isinstance(parameter.default, int | float)
            if number and name != "axis" and not isinstance(parameter.default, bool):
                assert name in kinds(own(function)), (function, name)


def test_every_schedule_and_regularizer_is_tried():
    made = {name for name, x in vars(schedules).items() if hasattr(x, "__wrapped__")}
    assert made - {"join_schedules", "sgdr_schedule"} == set(SCHEDULES)
    returning = {
        name
        for name, x in vars(ro).items()
        if inspect.isfunction(x) and inspect.signature(x).return_annotation is ro.Regularizer
    }
    assert returning - {"nonnegative", "unit_columns"} == set(REGULARIZERS)


def test_what_to_do_with_a_schedule_of_anything_is_said_and_works():
    with pytest.raises(TypeError, match=r"In inject_hyperparams\(adam\)\(\.\.\.\) it may be"):
        ro.adam(0.1, b2=lambda step: 0.9)
    tx = ro.inject_hyperparams(ro.adam)(0.1, b2=lambda step: 0.9)
    assert float(tx.init(jnp.ones(2)).hyperparams["b2"]) == pytest.approx(0.9)


@pytest.mark.parametrize(
    "number", [1, 0.5, True, np.float32(0.5), np.array(0.5), jnp.array(0.5), jnp.bfloat16(0.5)]
)
def test_numbers_of_any_kind_are_taken(number):
    ro.sgd(number)
    ro.l1(number)
    ro_torch.sgd(number)
    jax.eval_shape(lambda rate: ro.sgd(rate).init(jnp.ones(2)), number)


@pytest.mark.parametrize("eps", [np.int64(1), np.float32(1), True, 2**40, np.float64(1)], ids=repr)
def test_numbers_of_any_kind_are_added_under_strict_promotion(eps):
    for make in (ro.adam, ro.lars, ro.adabelief):
        tx, w = make(0.1, eps=eps), jnp.ones((2, 2))
        assert tx.update(w, tx.init(w), w)[0].dtype == w.dtype
    assert ro.adam(0.1, eps=np.float64(1)) == ro.adam(0.1, eps=1.0)


@pytest.mark.parametrize("value", [[], [0.9], "0.9", {}], ids=repr)
def test_nor_is_it_taken_by_a_sum_of_regularizers_or_a_solver(value):
    R = ro.l1(0.1)
    with pytest.raises(TypeError, match="Regularizer: factor must be a number"):
        R * value
    for solve in (ro.fista, ro.proximal_gradient):
        for name in ("step_size", "tol", "max_iter"):
            with pytest.raises(TypeError, match=f"{solve.__name__}: {name} must be a number"):
                solve(jnp.sum, R, jnp.ones(2), **{name: value})
