"""Noise on the gradient."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax import _hyperparams, _trees
from regopt_jax._core import GradientTransformation
from regopt_jax._trees import Array, ArrayLike, PyTree


def add_noise(
    eta: ArrayLike,
    gamma: ArrayLike,
    key: Array | int | None = None,
    *,
    seed: int | None = None,
) -> GradientTransformation:
    r"""Add Gaussian noise whose variance decays.

    .. math:: u_t = g_t + σ_t ξ_t, \qquad σ_t^2 = η / t^γ, \quad ξ_t \sim N(0, I)

    Args:
      eta: η ≥ 0, the variance at the first step.
      gamma: γ, usually 0.55.
      key: a key of ``jax.random.key`` or a seed; 0 when ``None``.
      seed: the same as ``key``, Optax's earlier name.

    Raises:
      ValueError: a hyperparameter out of its range, or both ``key`` and ``seed``.

    Neelakantan et al., *Adding gradient noise improves learning for very deep networks*,
    arXiv 1511.06807.

    >>> import jax.numpy as jnp
    >>> tx = add_noise(0.01, 0.55, key=0)
    >>> u, state = tx.update(jnp.zeros(10_000), tx.init(jnp.zeros(10_000)))
    >>> round(float(jnp.std(u)), 2)
    0.1
    """
    if key is not None and seed is not None:
        raise ValueError("add_noise: give key or seed, not both.")
    _hyperparams.check("add_noise", eta=(eta, "[0, inf)"), gamma=(gamma, "(-inf, inf)"))
    start = next((k for k in (key, seed) if k is not None), 0)

    def init(params: PyTree) -> optax.AddNoiseState:
        _trees.check_inexact("add_noise", params)
        return optax.AddNoiseState(jnp.zeros([], jnp.int32), _as_key(start))

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **_: Any
    ) -> tuple[PyTree, optax.AddNoiseState]:
        count = optax.safe_increment(state.count)
        rng_key, now = jax.random.split(state.rng_key)
        leaves, treedef = jax.tree.flatten(updates)
        keys = jax.random.split(now, len(leaves))
        with jax.numpy_dtype_promotion("standard"):
            deviation = jnp.sqrt(eta / count**gamma)
            noisy = [_add(g, deviation, k) for g, k in zip(leaves, keys, strict=True)]
        return jax.tree.unflatten(treedef, noisy), optax.AddNoiseState(count, rng_key)

    return GradientTransformation(
        init,
        update,
        name="add_noise",
        role="gradient",
        hyperparams={"eta": eta, "gamma": gamma},
        metric=lambda state, params: _trees.ones(params),
    )


def _add(g: ArrayLike, deviation: Array, key: Array) -> Array:
    noise = jax.random.normal(key, jnp.shape(g), jnp.result_type(g))
    return jnp.add(g, deviation * noise).astype(noise.dtype)


def _as_key(key: Any) -> Array:
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return key
    return jax.random.key(key)
