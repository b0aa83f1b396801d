"""A name that does not exist is answered with those that do."""

import pytest

import regopt_jax as ro
import regopt_jax.inspect
from regopt_jax.interop import torch as rt


@pytest.mark.parametrize(
    ("module", "name", "near"),
    [
        (ro, "cosine_decay", "cosine_decay_schedule"),
        (ro, "AdamW", "adamw"),
        (ro, "lasso", "group_lasso"),
        (ro, "lookaheadparams", "LookaheadParams"),
        (ro.schedules, "onecycle", None),
        (regopt_jax.inspect, "plot_schedules", "plot_schedule"),
        (rt, "AdamW", "adamw"),
    ],
)
def test_a_missing_name_is_answered_with_the_nearest(module, name, near):
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'") as caught:
        getattr(module, name)
    if near is not None:
        assert f"Did you mean {near}" in str(caught.value)


def test_a_name_like_no_other_is_only_missing():
    with pytest.raises(AttributeError, match=r"module 'regopt_jax' has no attribute 'zzzz'\.$"):
        ro.zzzz  # noqa: B018


def test_a_module_looks_as_before():
    assert not hasattr(ro, "__wrapped__")
    assert getattr(ro, "cosine_decay", None) is None
    assert dir(ro) == sorted(vars(ro))
    with pytest.raises(ImportError, match="cannot import name 'cosine_decay'"):
        from regopt_jax import cosine_decay  # type: ignore[attr-defined] # noqa: F401
