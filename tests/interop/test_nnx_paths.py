"""Selectors see a parameter of Flax NNX by the name it has in its module."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro

nnx = pytest.importorskip("flax.nnx", reason="Flax is optional")

X = jnp.asarray(np.random.default_rng(0).normal(size=(32, 4)), jnp.float32)
Y = jnp.sin(X[:, :1])
PATHS = {"first/kernel", "first/bias", "blocks/0/kernel", "blocks/0/bias", "out/kernel", "out/bias"}


class Net(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(4, 8, rngs=rngs)
        self.blocks = nnx.List([nnx.Linear(8, 8, rngs=rngs)])
        self.out = nnx.Linear(8, 1, rngs=rngs)

    def __call__(self, x):
        x = nnx.tanh(self.first(x))
        for block in self.blocks:
            x = nnx.tanh(block(x))
        return self.out(x)


HOLDERS = {
    "state": lambda net: nnx.state(net, nnx.Param),
    "split": lambda net: nnx.split(net)[1],
    "module": lambda net: net,
    "pure": lambda net: nnx.to_pure_dict(nnx.state(net)),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_path_is_the_name_in_the_module(holder):
    params = HOLDERS[holder](Net(nnx.Rngs(0)))
    seen = []
    ro.select(lambda path, x: bool(seen.append((path, x.ndim))) or True)(params)
    assert {path for path, _ in seen} == PATHS
    kernels = ro.select("**/kernel")(params)
    assert jax.tree.structure(kernels) == jax.tree.structure(params)
    assert sorted(jax.tree.leaves(kernels)) == [False] * 3 + [True] * 3
    assert jax.tree.leaves(kernels) == [ndim == 2 for _, ndim in seen]
    with pytest.raises(ValueError, match=r"There are: blocks/0/bias, blocks/0/kernel, first"):
        ro.select("**/kernel/value")(params)


def trained(tx, steps=60):
    model = Net(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer):
        grads = nnx.grad(lambda m: jnp.mean(jnp.square(m(X) - Y)))(model)
        optimizer.update(model, grads)

    for _ in range(steps):
        step(model, optimizer)
    return model


def test_a_regulariser_on_the_kernels_of_one_layer():
    R = ro.l1(0.02).on(ro.select("blocks/*/kernel"))
    model = trained(ro.proximal(ro.adam(0.02), R))
    kernel = np.asarray(model.blocks[0].kernel[...])
    assert 0 < np.sum(kernel == 0) < kernel.size
    assert not np.any(np.asarray(model.first.kernel[...]) == 0)
    assert not np.any(np.asarray(model.blocks[0].bias[...]) == 0)


def test_groups_by_path():
    labels = ro.label_by({"head": ro.select("out/*")}, default="body")
    model = trained(ro.partition({"head": ro.adam(0.02), "body": ro.set_to_zero()}, labels))
    start = Net(nnx.Rngs(0))
    np.testing.assert_array_equal(model.first.kernel[...], start.first.kernel[...])
    assert not np.any(np.asarray(model.out.kernel[...]) == np.asarray(start.out.kernel[...]))
    groups = ro.assignment(labels, nnx.state(start, nnx.Param)).groups
    assert dict(groups["head"]) == {"out/bias": (1,), "out/kernel": (8, 1)}
