"""Noise on the gradient."""

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import Array, ArrayLike, GradientTransformation, transformation, trees
from regopt_jax._core.lift import Step, leafwise, unit_metric
from regopt_jax.transforms.random_keys import among, as_key, key_or_seed


@transformation(eta="[0, inf)", gamma="(-inf, inf)")
def add_noise(
    eta: ArrayLike, gamma: ArrayLike, key: Array | int | None = None, *, seed: int | None = None
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
    start = key_or_seed("add_noise", key, seed)

    def keys(step: Step) -> list[Array | None]:
        leaves, _ = trees.flatten(step.updates)
        return among(leaves, jax.random.split(split(step)[1], sum(g is not None for g in leaves)))

    def split(step: Step) -> tuple[Array, Array]:
        following, now = jax.random.split(step.state.rng_key)
        return following, now

    def deviation(step: Step) -> Array:
        with jax.numpy_dtype_promotion("standard"):
            return jnp.sqrt(eta / optax.safe_increment(step.count) ** gamma)

    def add(g: Array, key: Array, deviation: Array) -> Array:
        noise = jax.random.normal(key, g.shape, g.dtype)
        with jax.numpy_dtype_promotion("standard"):
            return (g + deviation * noise).astype(g.dtype)

    return leafwise(
        add,
        role="gradient",
        state=optax.AddNoiseState,
        each=keys,
        context=deviation,
        scalars={"rng_key": lambda params: as_key("add_noise", 0 if start is None else start)},
        advance=lambda step, _: {"rng_key": split(step)[0]},
        metric=unit_metric,
        elementwise=False,
        jitted=False,
    )
