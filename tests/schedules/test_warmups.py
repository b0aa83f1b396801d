"""How long a warmup is: a whole number of steps, or a share of them where that is said."""

import inspect

import numpy as np
import pytest

import regopt_jax as ro
from regopt_jax import schedules
from tests.laws.rows import makers

SCHEDULES = {
    "linear_warmup": lambda **warmup: ro.linear_warmup(1.0, **warmup),
    "warmup_constant_schedule": lambda **warmup: ro.warmup_constant_schedule(0.0, 1.0, **warmup),
    "warmup_exponential_decay_schedule": lambda **warmup: ro.warmup_exponential_decay_schedule(
        0.0, 1.0, transition_steps=10, decay_rate=0.5, **warmup
    ),
    "inverse_sqrt_schedule": lambda **warmup: ro.inverse_sqrt_schedule(1.0, **warmup),
    "warmup_cosine_decay_schedule": lambda **warmup: ro.warmup_cosine_decay_schedule(
        0.0, 1.0, decay_steps=100, **warmup
    ),
    "warmup_stable_decay_schedule": lambda **warmup: ro.warmup_stable_decay_schedule(
        0.0, 1.0, total_steps=100, **warmup
    ),
    "schedule_free_sgd": ro.schedule_free_sgd,
    "schedule_free_adamw": ro.schedule_free_adamw,
}
OF_ALL = ["warmup_cosine_decay_schedule", "warmup_stable_decay_schedule"]
SHARE = 0.05


def test_all_that_warm_up_are_tried():
    functions = [x for x in vars(schedules).values() if hasattr(x, "__wrapped__")] + list(makers())
    warming = {f.__name__ for f in functions if "warmup_steps" in inspect.signature(f).parameters}
    assert warming == set(SCHEDULES)


@pytest.mark.parametrize("steps", [SHARE, SHARE * 10, 2.5, True], ids=repr)
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_warmup_is_a_whole_number_of_steps(name, steps):
    with pytest.raises(ValueError, match=rf"warmup_steps must be a whole number, got {steps}"):
        SCHEDULES[name](warmup_steps=steps)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_negative_one_is_refused(name):
    with pytest.raises(ValueError, match=r"warmup_steps must be in \[0, .*, got -1"):
        SCHEDULES[name](warmup_steps=-1)


@pytest.mark.parametrize("steps", [4.0, np.int64(4), np.float32(4)], ids=repr)
@pytest.mark.parametrize("name", list(SCHEDULES)[:6])
def test_a_whole_one_may_be_of_any_kind(name, steps):
    given, expected = (SCHEDULES[name](warmup_steps=x) for x in (steps, 4))
    assert [float(given(t)) for t in (0, 1, 4, 50)] == [float(expected(t)) for t in (0, 1, 4, 50)]


@pytest.mark.parametrize("name", OF_ALL)
def test_a_share_is_said_to_be_one(name):
    by_share, by_steps = (
        SCHEDULES[name](**warmup) for warmup in ({"warmup_fraction": SHARE}, {"warmup_steps": 5})
    )
    assert [float(by_share(t)) for t in range(9)] == [float(by_steps(t)) for t in range(9)]
    with pytest.raises(ValueError, match="For a share pass warmup_fraction"):
        SCHEDULES[name](warmup_steps=SHARE)
    for both in ({}, {"warmup_steps": 5, "warmup_fraction": SHARE}):
        with pytest.raises(ValueError, match="give warmup_steps or warmup_fraction"):
            SCHEDULES[name](**both)
    for wrong in (-0.1, 1.5, 5):
        with pytest.raises(ValueError, match=r"warmup_fraction must be in \[0, "):
            SCHEDULES[name](warmup_fraction=wrong)


def test_so_is_that_of_the_cooldown():
    by_share = ro.warmup_stable_decay_schedule(0.0, 1.0, 0, 100, decay_fraction=0.1)
    by_steps = ro.warmup_stable_decay_schedule(0.0, 1.0, 0, 100, 10)
    assert [float(by_share(t)) for t in (89, 95)] == [float(by_steps(t)) for t in (89, 95)]
    with pytest.raises(ValueError, match="decay_steps must be a whole number"):
        ro.warmup_stable_decay_schedule(0.0, 1.0, 0, 100, 0.2)


@pytest.mark.parametrize(("make", "total"), [
    (ro.warmup_cosine_decay_schedule, "decay_steps"),
    (ro.warmup_stable_decay_schedule, "total_steps"),
])  # fmt: skip
def test_the_length_of_the_whole_must_be_given(make, total):
    with pytest.raises(TypeError, match=f"{total}.*must be given"):
        make(0.0, 1.0, 5)


def test_an_old_name_is_answered_with_the_new_one():
    with pytest.raises(TypeError, match=r"no argument warmup\. Did you mean warmup_fraction"):
        ro.recommended(100, warmup=SHARE)
