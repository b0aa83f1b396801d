"""Cautious updates and update clipping: what they wrap, and what they refuse."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro

FIRST, SECOND = jnp.array([1.0, 1.0, 1.0, 1.0]), jnp.array([1.0, -0.5, 1.0, -0.5])


def second_update(tx):
    state = tx.init(FIRST)
    _, state = tx.update(FIRST, state, FIRST)
    return tx.update(SECOND, state, FIRST)[0]


def test_disagreeing_elements_are_zero_and_the_others_make_up_for_them():
    plain, wary = second_update(ro.trace(0.9)), second_update(ro.cautious(ro.trace(0.9)))
    np.testing.assert_array_equal(wary == 0, [False, True, False, True])
    np.testing.assert_allclose(wary[::2], 2 * plain[::2])


@pytest.mark.parametrize("inner", [ro.sgd(0.1, 0.9), ro.chain(ro.trace(0.9), ro.scale(-0.1))])
def test_an_optimizer_is_wrapped_as_its_direction(inner):
    direction = second_update(ro.cautious(ro.trace(0.9)))
    np.testing.assert_allclose(second_update(ro.cautious(inner)), -0.1 * direction, rtol=1e-6)


@pytest.mark.parametrize("inner", [ro.rprop(0.1), ro.prodigy(), ro.madgrad(0.1)])
def test_a_step_without_one_factor_is_known_for_a_step(inner):
    tx = ro.cautious(inner)
    updates, _ = tx.update(FIRST, tx.init(FIRST), FIRST)
    assert np.all(updates < 0)


@pytest.mark.parametrize(
    ("inner", "descent"), [(optax.trace(0.9), False), (optax.sgd(0.1, 0.9), True)]
)
def test_of_optax_it_must_be_said(inner, descent):
    with pytest.raises(ValueError, match="pass descent=True or descent=False"):
        ro.cautious(inner)
    wary = second_update(ro.cautious(inner, descent=descent))
    np.testing.assert_array_equal(wary == 0, [False, True, False, True])


def test_the_rescaling_is_bounded():
    """One agreeing element of 10,000 counts a thousandfold, not ten thousand."""
    g = jnp.zeros(10_000).at[0].set(1.0)
    tx = ro.cautious(ro.identity())
    assert float(tx.update(g, tx.init(g))[0][0]) == pytest.approx(1000.0)


def test_agreement_does_not_underflow():
    g = jnp.array([1e-30, 1.0])
    tx = ro.cautious(ro.scale(1e-6), descent=False)
    assert float(tx.update(g, tx.init(g))[0][0]) == pytest.approx(1e-36)


def test_the_state_is_the_inner_one():
    adam = ro.scale_by_adam()
    for tx in (ro.cautious(adam), ro.clip_update_rms(adam)):
        assert isinstance(tx.init(FIRST), optax.ScaleByAdamState)


def test_a_sudden_gradient_is_clipped_and_a_steady_one_is_not():
    adam = ro.scale_by_adam(b2=0.99)
    tx = ro.clip_update_rms(adam)
    state = tx.init(FIRST)
    for _ in range(20):
        u, state = tx.update(FIRST, state)
    np.testing.assert_allclose(u, 1.0, rtol=1e-5)
    clipped, _ = tx.update(100 * FIRST, state)
    plain, after = adam.update(100 * FIRST, state)
    ratio = 100 / jnp.sqrt(after.nu / (1 - 0.99**21))
    assert float(ratio[0]) > 4
    np.testing.assert_allclose(clipped, plain / ratio, rtol=1e-4)


@pytest.mark.parametrize("inner", [optax.scale_by_adam(), ro.scale_by_soap(), ro.adam(0.1)])
def test_update_clipping_needs_a_direction_with_a_metric(inner):
    with pytest.raises(ValueError, match="metric"):
        ro.clip_update_rms(inner)
