"""A neural differential equation with the optimisers of the library's example of a neural SDE."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import optax


class Field(eqx.Module):
    net: eqx.nn.MLP

    def __call__(self, t, y, args):
        return self.net(y)


def main():
    key = jax.random.key(0)
    field = Field(eqx.nn.MLP(2, 2, 8, 1, activation=jax.nn.softplus, key=key))
    starts, times = jax.random.normal(key, (8, 2)), jnp.linspace(0, 1, 5)
    goal = starts[:, None] * jnp.exp(-times)[None, :, None]
    tx = optax.rmsprop(optax.piecewise_constant_schedule(1e-2, {20: 0.1}))
    state = tx.init(eqx.filter(field, eqx.is_inexact_array))

    def solved(field, y):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(field), diffrax.Heun(), 0, 1, 0.1, y,
            saveat=diffrax.SaveAt(ts=times),
        ).ys  # fmt: skip

    @eqx.filter_jit
    def step(field, state):
        def loss(field):
            return jnp.mean((jax.vmap(lambda y: solved(field, y))(starts) - goal) ** 2)

        value, grads = eqx.filter_value_and_grad(loss)(field)
        updates, state = tx.update(grads, state)
        return eqx.apply_updates(field, updates), state, value

    losses = []
    for _ in range(30):
        field, state, value = step(field, state)
        losses.append(value)
    return {"losses": losses}
