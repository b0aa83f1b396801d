"""Gradients that tell little of any one example."""

import warnings
from typing import NamedTuple

import jax
from optax.contrib import DifferentiallyPrivateAggregateState as DifferentiallyPrivateAggregateState

from regopt_jax._core import Array, ArrayLike, GradientTransformation, transformation, trees
from regopt_jax._core.lift import Step, leafwise, unit_metric
from regopt_jax.transforms.per_example import check_examples, clipping_factors, weighted_sum
from regopt_jax.transforms.random_keys import among, as_key, key_or_seed


class _Step(NamedTuple):
    """The factor on the gradients of each example, and the noise's standard deviation."""

    factors: Array
    deviation: ArrayLike


@transformation(l2_norm_clip="[0, inf)", noise_multiplier="[0, inf)")
def differentially_private_aggregate(
    l2_norm_clip: ArrayLike,
    noise_multiplier: ArrayLike,
    key: Array | int | None = None,
    *,
    seed: int | None = None,
) -> GradientTransformation:
    r"""The mean of clipped gradients of single examples, and noise (DP-SGD).

    .. math:: u_t = \frac 1B \left(\sum_{i=1}^B g_{t,i} \min(1, c / \lVert g_{t,i}\rVert)
       + σ c\, ξ_t\right), \qquad ξ_t \sim N(0, I)

    The gradients have the B examples as their first axis, as from ``jax.vmap(jax.grad(...))``,
    so this stands first in a chain, and nothing that sums gradients stands around it.

    Args:
      l2_norm_clip: c ≥ 0, the largest norm of one example's gradients together.
      noise_multiplier: σ ≥ 0.
      key: a key of ``jax.random.key`` or a seed, which nobody else may know; 0 with a warning
        when ``None``.
      seed: the same as ``key``, Optax's earlier name.

    Raises:
      ValueError: a hyperparameter out of its range, or both ``key`` and ``seed``; from
        ``update``, a gradient without the examples' axis, by path.

    Abadi et al., *Deep learning with differential privacy*, arXiv 1607.00133.

    >>> import jax.numpy as jnp
    >>> tx, w = differentially_private_aggregate(1.0, 0.0, key=0), jnp.zeros(2)
    >>> tx.update(jnp.array([[0.0, 0.5], [3.0, 4.0]]), tx.init(w))[0].tolist()
    [0.30000001192092896, 0.6499999761581421]
    """
    name = "differentially_private_aggregate"
    start = key_or_seed(name, key, seed)
    if start is None:
        warnings.warn(
            f"{name}: give a key. The noise is drawn with the key 0, which everybody knows.",
            stacklevel=3,
        )

    def split(step: Step) -> Array:
        present = jax.tree.leaves(step.updates)
        return jax.random.split(step.state.rng_key, len(present) + 1)

    def context(step: Step) -> _Step | None:
        if step.after:  # the metric is 1 whatever the gradients were
            return None
        check_examples(name, step.updates)
        factors, _ = clipping_factors(jax.tree.leaves(step.updates), l2_norm_clip)
        return _Step(factors, l2_norm_clip * noise_multiplier)

    def update(g: Array, key: Array, now: _Step) -> Array:
        total = weighted_sum(now.factors, g)  # and noise of as many digits
        noise = jax.random.normal(key, total.shape, total.dtype)
        with jax.numpy_dtype_promotion("standard"):
            return ((total + now.deviation * noise) / len(now.factors)).astype(g.dtype)

    return leafwise(
        update,
        role="gradient",
        state=DifferentiallyPrivateAggregateState,
        each=lambda step: among(trees.flatten(step.updates)[0], split(step)[1:]),
        context=context,
        scalars={"rng_key": lambda params: as_key(name, 0 if start is None else start)},
        advance=lambda step, _: {"rng_key": split(step)[0]},
        metric=unit_metric,
        elementwise=False,
        jitted=False,
    )
