"""Update clipping: a smaller step where the second moment lags behind the gradient."""

from typing import Any

import jax
import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, GradientTransformation, PyTree, matching, wrap
from regopt_jax._core.decorator import transformation
from regopt_jax._core.nature import SIZING
from regopt_jax.transforms.norms import root_mean_square, scaled


@transformation(threshold="(0, inf]")
def clip_update_rms(
    inner: GradientTransformation, threshold: ArrayLike = 1.0
) -> GradientTransformation:
    r"""Divide each array's update by the root-mean-square of its gradient in the metric.

    .. math:: u ← u / \max\left(1, \operatorname{RMS}(g/d) / c\right)

    with d the diagonal that the inner transformation divides by: the :math:`\sqrt{\hat r} + ε`
    of Adam, for which this is StableAdamW's clipping. A gradient far above its second moment
    has a root-mean-square above 1. (The paper's d is :math:`\max(\sqrt{\hat r}, ε)`, between
    this one and its half.)

    Args:
      inner: a direction, before the learning rate, with a metric; the state is its own.
      threshold: c > 0.

    Raises:
      ValueError: ``inner`` has no metric or sets the step size; ``threshold`` out of its range.

    Wortsman et al., *Stable and low-precision training for large-scale vision-language
    models*, arXiv 2304.13013, algorithm 2; after Shazeer & Stern, *Adafactor*, arXiv 1804.04235.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = clip_update_rms(ro.scale_by_rms(decay=0.75))
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 6)
    1.0
    """
    metric = getattr(inner, "metric", None)
    if metric is None:
        raise ValueError(f"clip_update_rms: {inner!r} does not say what it divides by (no metric).")
    if not inner.roles.isdisjoint(SIZING):
        raise ValueError(
            f"clip_update_rms: {inner!r} sets the step size, which would scale the metric. Wrap "
            "what comes before it."
        )

    @jax.jit
    def clipped(u: Array, g: Array, d: ArrayLike) -> Array:
        return scaled(u, 1 / jnp.maximum(root_mean_square(g / d) / threshold, 1))

    def update(updates: PyTree, state: Any, params: Any = None, **extra: Any) -> tuple[PyTree, Any]:
        out, state = inner.update(updates, state, params, **extra)
        divisor = metric(state, updates if params is None else params)
        return matching.map_leaves(
            "clip_update_rms",
            clipped,
            out,
            gradients=updates,
            metric=divisor,
            broadcast=("metric",),
        ), state

    return wrap(inner, update=update, mixes=True, metric="inner")
