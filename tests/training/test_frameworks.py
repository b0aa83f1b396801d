"""The same step for models of Flax linen, Flax NNX and Equinox."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro

X = jnp.asarray(np.random.default_rng(0).normal(size=(32, 4)), jnp.float32)
Y = jnp.sin(X[:, :1])


def mse(prediction, y):
    return jnp.mean(jnp.square(prediction - y))


def fit(loss, params, tx, steps=40):
    step, losses = ro.train_step(loss, tx), []
    state = ro.TrainState.create(params, tx)
    for _ in range(steps):
        state, metrics = step(state, X, Y)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.3 * losses[0]
    return state


KERNELS = ro.l1(0.02).on(ro.select("**/kernel") | ro.select("**/weight", required=False))
TX = ro.proximal(ro.adam(0.02), KERNELS)


def test_flax_linen():
    nn = pytest.importorskip("flax.linen", reason="Flax is optional")

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(1)(nn.tanh(nn.Dense(8)(x)))

    net = Net()
    variables = net.init(jax.random.key(0), X)
    state = fit(lambda v, x, y: mse(net.apply(v, x), y), variables, TX)
    kernel = state.params["params"]["Dense_0"]["kernel"]
    assert 0 < np.sum(np.asarray(kernel) == 0) < kernel.size


def test_flax_nnx():
    nnx = pytest.importorskip("flax.nnx", reason="Flax is optional")

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.first = nnx.Linear(4, 8, rngs=rngs)
            self.second = nnx.Linear(8, 1, rngs=rngs)

        def __call__(self, x):
            return self.second(nnx.tanh(self.first(x)))

    graph, params = nnx.split(Net(nnx.Rngs(0)), nnx.Param)
    before = np.asarray(params["first"]["kernel"][...])
    state = fit(lambda p, x, y: mse(nnx.merge(graph, p)(x), y), params, TX)
    trained = nnx.merge(graph, state.params)
    kernel = np.asarray(trained.first.kernel[...])
    assert 0 < np.sum(kernel == 0) < kernel.size
    assert not np.allclose(kernel, before)


def test_equinox():
    eqx = pytest.importorskip("equinox", reason="Equinox is optional")

    class Net(eqx.Module):
        layers: list
        steps: jax.Array
        scale: int

        def __call__(self, x):
            for layer in self.layers:
                x = layer(x)
            return self.scale * x

    keys = jax.random.split(jax.random.key(0))
    layers = [eqx.nn.Linear(4, 8, key=keys[0]), jnp.tanh, eqx.nn.Linear(8, 1, key=keys[1])]
    net = Net(layers, jnp.array([1, 2]), 2)
    # Its activation and its integers have no gradient; in the state of Adam they are None.
    tx = ro.proximal(ro.adam(0.02), ro.l1(0.02).on(ro.select("**/weight")))
    state = fit(lambda m, x, y: mse(jax.vmap(m)(x), y), net, tx)
    trained = state.params
    assert isinstance(trained, Net)
    assert trained.layers[1] is jnp.tanh
    assert trained.steps.tolist() == [1, 2]
    assert trained.scale == 2
    weight = np.asarray(trained.layers[0].weight)
    assert 0 < np.sum(weight == 0) < weight.size
    assert not np.any(np.asarray(net.layers[0].weight) == 0)


def test_equinox_mlp_with_its_jitted_activations():
    eqx = pytest.importorskip("equinox", reason="Equinox is optional")
    net = eqx.nn.MLP(4, 1, 8, 1, activation=jax.nn.relu, key=jax.random.key(0))
    fit(lambda m, x, y: mse(jax.vmap(m)(x), y), net, ro.adamw(0.02))
