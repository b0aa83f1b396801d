"""A name that does not exist is answered with those that do, an old one with the new."""

import sys
import types

import pytest

import regopt_jax as ro
import regopt_jax.inspect
from regopt_jax._core import names
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


def test_an_old_name_works_and_warns():
    with pytest.warns(DeprecationWarning, match=r"regopt_jax\.path is now .*regularization_path"):
        old = ro.path
    assert old is ro.regularization_path
    with pytest.warns(DeprecationWarning, match="path is now") as caught:
        from regopt_jax import path  # type: ignore[attr-defined]
    assert path is old
    assert {warning.filename for warning in caught} == {__file__}
    assert "path" not in dir(ro)


def test_any_module_may_have_old_names(monkeypatch):
    module = types.ModuleType("renaming")
    module.new = object()
    monkeypatch.setitem(sys.modules, "renaming", module)
    names.suggest("renaming", renamed={"old": "new"})
    with pytest.warns(DeprecationWarning, match="renaming.old is now renaming.new"):
        assert module.old is module.new
    with pytest.raises(AttributeError, match="Did you mean new"):
        _ = module.ne
