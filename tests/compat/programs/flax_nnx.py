"""``nnx.Optimizer`` around AdamW with hyperparameters in its state."""

import jax
import optax
from flax import nnx

from tests.compat.programs.linear import X, mean_square


class Net(nnx.Module):
    def __init__(self, rngs):
        self.first, self.last = nnx.Linear(3, 8, rngs=rngs), nnx.Linear(8, 1, rngs=rngs)

    def __call__(self, x):
        return self.last(nnx.tanh(self.first(x)))[..., 0]


def main():
    net = Net(nnx.Rngs(0))
    tx = optax.inject_hyperparams(optax.adamw)(learning_rate=1e-2, weight_decay=1e-3)
    optimizer = nnx.Optimizer(net, tx, wrt=nnx.Param)

    @nnx.jit
    def step(net, optimizer):
        loss, grads = nnx.value_and_grad(lambda net: mean_square(net(X)))(net)
        optimizer.update(net, grads)
        return loss

    losses = [step(net, optimizer) for _ in range(40)]
    return {"losses": losses, "params": jax.tree.leaves(nnx.state(net, nnx.Param))}
