"""What the rows of sign descent do not show."""

import jax
import jax.numpy as jnp

import regopt_jax as ro


def test_the_momentum_of_signum_has_the_dtype_asked_for():
    tx = ro.signum(0.1, accumulator_dtype=jnp.bfloat16)
    assert [x.dtype for x in jax.tree.leaves(tx.init(jnp.ones(3)))][-1] == jnp.bfloat16
    u, _ = tx.update(jnp.array([3.0, 0.0, -1e-3]), tx.init(jnp.ones(3)))
    assert u.dtype == jnp.float32
    assert jnp.sign(u).tolist() == [-1.0, 0.0, 1.0]
