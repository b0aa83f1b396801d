"""What a hyperparameter may be."""

import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro


@pytest.mark.parametrize("value", ["1e-3", b"1", 1j, ["a"], {"a": 1.0}, ...], ids=repr)
@pytest.mark.parametrize("make", [ro.adamw, ro.sgd, ro.l1])
def test_what_is_no_number_is_refused(make, value):
    with pytest.raises(TypeError, match=r"(learning_rate|strength) must be a number"):
        make(value)


def test_none_is_taken_where_it_means_something():
    ro.sgd(0.1, momentum=None)
    with pytest.raises(TypeError, match=r"b1 must be a number, got None"):
        ro.adam(0.1, b1=None)


@pytest.mark.parametrize(
    "value", [1, True, np.float32(0.1), np.int64(2), jnp.array(0.1), jnp.bfloat16(0.1)], ids=repr
)
def test_numbers_of_any_kind_are_taken(value):
    ro.sgd(value)


UNCALLED = [
    (ro.cosine_decay_schedule, r"cosine_decay_schedule is a function of \(init_value, decay_steps"),
    (lambda: 0.1, r"<lambda> is a function of \(\)"),
    (lambda step, *, peak: peak * step, r"<lambda> is a function of \(step, peak\)"),
]


@pytest.mark.parametrize(("schedule", "said"), UNCALLED)
def test_a_schedule_is_a_function_of_the_step_alone(schedule, said):
    with pytest.raises(TypeError, match=f"learning_rate .* {said}.*did you forget to call it"):
        ro.adam(schedule)


@pytest.mark.parametrize(
    "schedule", [ro.cosine_decay_schedule(0.1, 10), lambda t, peak=0.1: peak, float, jnp.sqrt]
)
def test_functions_of_the_step_are_taken(schedule):
    ro.adam(schedule)
