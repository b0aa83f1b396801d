"""Flax's own training loops take our transformations as they take Optax's."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import regopt_jax as ro
from tests.versions import needs_flax

apart = needs_flax(0, 11, "nnx.Optimizer.update takes the model apart from it")
pytest.importorskip("flax", reason="Flax is optional")

X = jnp.asarray(np.random.default_rng(0).normal(size=(32, 4)), jnp.float32)
Y = jnp.sin(X[:, :1])

PAIRS = {
    "adamw": (ro.adamw(0.02), optax.adamw(0.02)),
    "clipped momentum": (
        ro.chain(ro.clip_by_global_norm(1.0), ro.sgd(0.05, momentum=0.9)),
        optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.05, momentum=0.9)),
    ),
    "accumulate": (
        ro.accumulate(ro.adam(0.05), 2),
        optax.MultiSteps(optax.adam(0.05), 2).gradient_transformation(),
    ),
    "masked decay": (
        ro.adamw(0.02, mask=ro.select(min_ndim=2), weight_decay=0.5),
        optax.adamw(
            0.02, mask=lambda tree: jax.tree.map(lambda x: x.ndim > 1, tree), weight_decay=0.5
        ),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_train_state(name):
    import flax.linen as nn
    from flax.training.train_state import TrainState

    net = nn.Dense(1)
    params = net.init(jax.random.key(0), X)["params"]

    def run(tx):
        state = TrainState.create(apply_fn=net.apply, params=params, tx=tx)

        @jax.jit
        def step(state):
            def loss(p):
                return jnp.mean(jnp.square(state.apply_fn({"params": p}, X) - Y))

            value, grads = jax.value_and_grad(loss)(state.params)
            return state.apply_gradients(grads=grads), value

        losses = []
        for _ in range(10):
            state, value = step(state)
            losses.append(float(value))
        assert int(state.step) == 10
        assert losses[-1] < losses[0]
        return losses, state

    losses, state = run(PAIRS[name][0])
    with jax.numpy_dtype_promotion("standard"):
        expected, their_state = run(PAIRS[name][1])
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    assert jax.tree.structure(state.opt_state) == jax.tree.structure(their_state.opt_state)


@apart
@pytest.mark.parametrize("name", PAIRS)
def test_nnx_optimizer(name):
    from flax import nnx

    def run(tx):
        model = nnx.Linear(4, 1, rngs=nnx.Rngs(0))
        optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)

        @nnx.jit
        def step(model, optimizer):
            def loss(model):
                return jnp.mean(jnp.square(model(X) - Y))

            value, grads = nnx.value_and_grad(loss)(model)
            optimizer.update(model, grads)
            return value

        losses = [float(step(model, optimizer)) for _ in range(10)]
        assert losses[-1] < losses[0]
        return losses

    losses = run(PAIRS[name][0])
    with jax.numpy_dtype_promotion("standard"):
        expected = run(PAIRS[name][1])
    np.testing.assert_allclose(losses, expected, rtol=1e-4)


@apart
def test_nnx_optimizer_with_a_proximal_map():
    from flax import nnx

    model = nnx.Linear(4, 1, rngs=nnx.Rngs(0))
    regularizer = ro.l1(0.3).on(ro.select(min_ndim=2))
    optimizer = nnx.Optimizer(model, ro.proximal(ro.adam(0.05), regularizer), wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer):
        grads = nnx.grad(lambda m: jnp.mean(jnp.square(m(X) - Y)))(model)
        optimizer.update(model, grads)

    for _ in range(100):
        step(model, optimizer)
    kernel = np.asarray(model.kernel[...])
    assert 0 < np.sum(kernel == 0) < kernel.size
    assert kernel[0, 0] > 0.1
