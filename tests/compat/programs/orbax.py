"""A state that is saved and restored after each step."""

import os
import tempfile

import jax
import jax.numpy as jnp
import optax
import orbax.checkpoint as ocp


def main():
    params = {"w": jnp.arange(4.0), "b": jnp.ones(2)}
    tx = optax.chain(optax.clip(1.0), optax.adamw(optax.cosine_decay_schedule(0.1, 20)))
    state = tx.init(params)
    with tempfile.TemporaryDirectory() as folder, ocp.StandardCheckpointer() as saver:
        for t in range(4):
            updates, state = tx.update(jax.tree.map(jnp.sin, params), state, params)
            params = optax.apply_updates(params, updates)
            path = os.path.join(folder, str(t))
            saver.save(path, state)
            saver.wait_until_finished()
            state = saver.restore(path, jax.eval_shape(tx.init, params))
    return {"params": params, "state": state}
