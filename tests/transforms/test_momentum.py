"""First moments."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro


def test_nesterovs_mean_corrects_the_gradient_as_of_now_and_the_mean_as_of_the_next_step():
    b, m = 0.8, 0.0
    tx = ro.ema(b, nesterov=True)
    state = tx.init(jnp.array(0.0))
    for t, g in enumerate([1.0, -3.0, 0.5], start=1):
        update, state = tx.update(jnp.array(g), state)
        m = b * m + (1 - b) * g
        expected = b * m / (1 - b ** (t + 1)) + (1 - b) * g / (1 - b**t)
        np.testing.assert_allclose(update, expected, rtol=1e-5)


def test_without_correction_it_is_one_more_step_of_the_mean():
    tx = ro.ema(0.8, debias=False, nesterov=True)
    update, _ = tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)))
    np.testing.assert_allclose(update, 0.8 * 0.2 + 0.2, rtol=1e-6)


@pytest.mark.parametrize("make", [ro.adam, ro.nadamw, ro.lamb, ro.adamax])
def test_an_eager_step_compiles_nothing_that_an_earlier_one_did_not(make, caplog):
    """A power of t as a constant would be another program for each t."""
    tx, w = make(0.1), jnp.ones(3)
    state = tx.init(w)
    for step in range(4):
        with jax.log_compiles():
            _, state = tx.update(w, state, w)
        compiled = [text for text in caplog.messages if text.startswith("Compiling")]
        assert bool(compiled) == (step == 0), compiled
        caplog.clear()
