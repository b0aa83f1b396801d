"""The usual loop over a module whose activations are leaves."""

import equinox as eqx
import jax
import optax

from tests.compat.programs.linear import KEY, X, mean_square


def main():
    model = eqx.nn.MLP(3, "scalar", 8, 2, key=KEY)
    schedule = optax.warmup_cosine_decay_schedule(0.0, 1e-2, 10, 60)
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule))
    state = tx.init(eqx.filter(model, eqx.is_array))

    @eqx.filter_jit
    def step(model, state):
        loss, grads = eqx.filter_value_and_grad(lambda m: mean_square(jax.vmap(m)(X)))(model)
        updates, state = tx.update(grads, state, model)
        return eqx.apply_updates(model, updates), state, loss

    losses = []
    for _ in range(60):
        model, state, loss = step(model, state)
        losses.append(loss)
    return {"losses": losses, "state": eqx.filter(state, eqx.is_array)}
