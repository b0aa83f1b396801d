"""The door for a penalty of one's own; tests/cases/penalties.py has one under all the laws."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro


@dataclasses.dataclass(frozen=True)
class Charbonnier(ro.Penalty):
    """r(x) = Σ √(|x|² + δ²) - δ: a value, and nothing else."""

    delta: float = 1.0

    def value(self, x):
        return jnp.sum(jnp.sqrt(jnp.abs(x) ** 2 + self.delta**2) - self.delta)


def test_a_value_is_enough_for_a_slope():
    x = jnp.array([3.0, -4.0])
    np.testing.assert_allclose(
        ro.penalty(Charbonnier(4.0), 2.0).grad(x), 2 * x / jnp.sqrt(x**2 + 16), rtol=1e-6
    )
    z = jnp.array([3.0 + 4.0j])
    slope = ro.penalty(Charbonnier(), 1.0).grad(z)
    np.testing.assert_allclose(slope, np.asarray(z) / np.sqrt(26.0), rtol=1e-6)


def test_it_is_one_of_the_algebra():
    R = ro.penalty(Charbonnier(2.0), 0.5).on(ro.select("w")) + 2 * ro.penalty(Charbonnier())
    assert repr(R) == "0.5 * Charbonnier(delta=2).on(select('w')) + 2 * Charbonnier"
    params = {"w": jnp.zeros(3), "b": jnp.ones(2)}
    np.testing.assert_allclose(R.value(params), 4 * (np.sqrt(2) - 1), rtol=1e-6)
    assert len(jax.tree.leaves(R)) == 2
    assert ro.penalty(Charbonnier(2.0), 0.5) == ro.penalty(Charbonnier(2.0), 0.5)


def test_two_that_are_alike_are_one():
    compiled = jax.jit(lambda R, x: R.value(x))
    for _ in range(2):
        compiled(ro.penalty(Charbonnier(2.0), 0.5), jnp.ones(2))
    assert compiled._cache_size() == 1
    z = jnp.array([3.0])
    both = ro.penalty(Halving(), 1.0) + ro.penalty(Halving(), 3.0)
    np.testing.assert_array_equal(both.prox(z), ro.penalty(Halving(), 4.0).prox(z))


@dataclasses.dataclass(frozen=True)
class Halving(Charbonnier):
    """One with a map that shows the strength it got."""

    def prox(self, z, strength, metric):
        return z / (2 * strength)


def test_without_a_map_it_is_placed_otherwise():
    R = ro.penalty(Charbonnier(), 0.1)
    w = jnp.ones(2)
    tx = ro.regularize(ro.adam(0.1), R, how="decoupled")
    assert tx.update(w, tx.init(w), w)[0].shape == (2,)
    tx = ro.proximal(ro.sgd(0.1), R)
    with pytest.raises(ValueError, match=r"Charbonnier has no proximal map\. Place it by coupled"):
        tx.update(w, tx.init(w), w)


def test_it_is_refused_by_name_as_text():
    """What is read back may run nothing but this package."""
    with pytest.raises(TypeError, match=r"to_json: .*Charbonnier.*cannot be written"):
        ro.to_json(ro.coupled(ro.penalty(Charbonnier(), 0.1)))


class Undecorated(ro.Penalty):
    def __init__(self, delta):
        object.__setattr__(self, "delta", delta)

    def value(self, x):
        return jnp.sum(x)


@dataclasses.dataclass(frozen=True)
class OfAList(Charbonnier):
    weights: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class WithoutValue(ro.Penalty):
    pass


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (Charbonnier, "got the class Charbonnier; call it"),
        (abs, "expected an instance of regopt_jax.Penalty, got <built-in"),
        (Undecorated(1.0), "Undecorated must be under @dataclasses.dataclass"),
        (OfAList(), "OfAList.*cannot be hashed"),
        (WithoutValue(), "WithoutValue must say its value"),
    ],
)
def test_what_is_no_penalty_is_refused(form, message):
    with pytest.raises(TypeError, match=f"penalty: .*{message}"):
        ro.penalty(form, 1.0)


@pytest.mark.parametrize(("name", "called"), [("", "Charbonnier"), ("soft", "soft")])
def test_a_strength_is_checked_under_its_name(name, called):
    with pytest.raises(ValueError, match=f"^{called}: strength must be in"):
        ro.penalty(Charbonnier(), -1.0, name=name)


def test_a_property_that_no_penalty_has_is_refused():
    for name in ("seperable", "value"):
        with pytest.raises(TypeError, match=f"Misspelt: a penalty has no property '{name}'"):
            type("Misspelt", (ro.Penalty,), {}, **{name: True})
