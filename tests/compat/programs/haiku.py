"""A transformed function, with masks by the names of modules."""

import haiku as hk
import jax
import optax

from tests.compat.programs.linear import KEY, X, mean_square


def net(x):
    return hk.nets.MLP([8, 1], activation=jax.nn.tanh)(x)[..., 0]


def main():
    made = hk.without_apply_rng(hk.transform(net))
    params = made.init(KEY, X)
    mask = hk.data_structures.map(lambda module, name, x: name == "w", params)
    tx = optax.chain(
        optax.masked(optax.add_decayed_weights(1e-2), mask),
        optax.scale_by_rms(),
        optax.scale_by_schedule(optax.cosine_decay_schedule(-1e-2, 50)),
    )
    state = tx.init(params)

    @jax.jit
    def step(params, state):
        loss, grads = jax.value_and_grad(lambda p: mean_square(made.apply(p, X)))(params)
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state, loss

    losses = []
    for _ in range(50):
        params, state, loss = step(params, state)
        losses.append(loss)
    return {"losses": losses, "state": state}
