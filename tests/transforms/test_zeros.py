"""Zero over zero: what divides by a size of the gradient leaves zero gradients at zero."""

import jax
import jax.numpy as jnp
import pytest

import regopt_jax as ro

DIVIDING = {
    "momo": ro.momo(),
    "momo_adam": ro.momo_adam(eps=0.0),
    "normalize": ro.normalize(),
    "clip_by_global_norm": ro.clip_by_global_norm(0.0),
    "cocob": ro.cocob(eps=0.0),
    "dadapt_adamw": ro.dadapt_adamw(eps=0.0),
    "madgrad": ro.madgrad(0.1, eps=0.0),
    "prodigy": ro.prodigy(),
    "scale_by_polyak": ro.chain(ro.scale_by_polyak(), ro.scale(-1.0)),
    "scale_by_rss": ro.scale_by_rss(0.0, 0.0),
}


@pytest.mark.parametrize("name", DIVIDING)
def test_zero_gradients_make_no_step(name):
    w, tx = jnp.array([1.0, 2.0]), DIVIDING[name]
    state = tx.init(w)
    for _ in range(2):
        updates, state = jax.jit(tx.update)(jnp.zeros(2), state, w, value=1.0)
        assert updates.tolist() == [0.0, 0.0]


def test_a_norm_of_at_most_zero_leaves_nothing():
    tx = ro.clip_by_global_norm(0.0)
    assert tx.update(jnp.array([3.0, 4.0]), tx.init(0.0))[0].tolist() == [0.0, 0.0]
