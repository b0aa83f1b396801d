"""RAdam's rectification is off at first, and finite where it is off."""

import jax
import jax.numpy as jnp
import numpy as np

import regopt_jax as ro


def steps(tx, count):
    state, seen = tx.init(jnp.array(0.0)), []
    for _ in range(count):
        u, state = tx.update(jnp.array(4.0), state)
        seen.append(u)
    return jnp.stack(seen)


def test_the_first_steps_are_the_mean_and_later_ones_have_no_scale():
    seen = steps(ro.scale_by_radam(), 100)
    np.testing.assert_allclose(seen[:5], 4.0, rtol=1e-6)
    assert np.all(seen[5:] < 1)
    assert np.all(np.diff(seen[6:]) > 0)


def test_differentiable_in_the_decays_where_rectification_is_on_and_off():
    def total(b2):
        return jnp.sum(steps(ro.scale_by_radam(b2=b2), 8))

    for b2 in (0.5, 0.9, 0.99):
        slope = jax.grad(total)(b2)
        assert np.isfinite(slope)
        assert (slope == 0) == (b2 == 0.5)
