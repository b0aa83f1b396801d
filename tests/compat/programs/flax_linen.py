"""A ``TrainState`` whose groups of parameters have optimisers of their own."""

import flax.linen as nn
import jax
import optax
from flax import traverse_util
from flax.training.train_state import TrainState

from tests.compat.programs.linear import KEY, X, mean_square


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(1)(nn.tanh(nn.Dense(8)(x)))[..., 0]


def labels(params):
    flat = traverse_util.flatten_dict(params)
    return traverse_util.unflatten_dict({path: path[-1] for path in flat})


def main():
    net = Net()
    params = net.init(KEY, X)["params"]
    tx = optax.MultiSteps(
        optax.multi_transform({"kernel": optax.lamb(1e-2), "bias": optax.sgd(1e-2)}, labels), 2
    )
    state = TrainState.create(apply_fn=net.apply, params=params, tx=tx)

    @jax.jit
    def step(state):
        def loss(params):
            return mean_square(state.apply_fn({"params": params}, X))

        value, grads = jax.value_and_grad(loss)(state.params)
        return state.apply_gradients(grads=grads), value

    losses = []
    for _ in range(40):
        state, value = step(state)
        losses.append(value)
    return {"losses": losses, "params": state.params, "opt_state": state.opt_state}
