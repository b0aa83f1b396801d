"""NovoGrad's layers: one norm each, and a metric that fits its momentum."""

import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro

G = {"w": jnp.array([[3.0, 0.0], [-1.0, 2.0]]), "b": jnp.array([0.1, -0.2])}


def test_steady_gradients_are_the_steps_times_the_metric():
    tx = ro.scale_by_novograd(b1=0.8)
    state = tx.init(G)
    for _ in range(200):
        u, state = tx.update(G, state)
    metric = tx.metric(state, G)
    for name, g in G.items():
        np.testing.assert_allclose(u[name] * metric[name], g, rtol=1e-5)
        assert metric[name].shape == ()


def test_a_layer_does_not_see_the_scale_of_its_gradient():
    tx = ro.scale_by_novograd(eps=0.0)
    seen = []
    for factor in (1.0, 64.0):
        state = tx.init(G["w"])
        for t in (1.0, 2.0, -1.0):
            u, state = tx.update(factor * t * G["w"], state)
        seen.append(u)
    np.testing.assert_allclose(*seen, rtol=1e-6)


def test_gradients_of_another_shape_are_refused_by_path():
    tx = ro.scale_by_novograd()
    state = tx.init(G)
    with pytest.raises(ValueError, match=r"scale_by_novograd: the leaf at 'w' has shape \(3, 2\)"):
        tx.update(G | {"w": jnp.ones((3, 2))}, state)
    absent = tx.init(G | {"w": None})
    with pytest.raises(ValueError, match="the leaf at 'w'"):
        tx.update(G, absent)
