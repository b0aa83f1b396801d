"""The two moments of Adam, where PyTorch weighs them otherwise than Optax."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation, Step, leafwise, transformation
from regopt_jax._core.arithmetic import abs_sq, square_like, zeros_like
from regopt_jax._core.trees import Array, ArrayLike, PyTree
from regopt_jax.transforms.moments import (
    Corrections,
    adam_corrections,
    bias,
    moving_average,
    power,
    unbiased,
)
from regopt_jax.transforms.scale_by_radam import Rectification, rectification
from regopt_jax.transforms.second_moments import divisor

TERMS = 60  # of a series whose terms are at least halved each time


class AmsgradState(NamedTuple):
    """Adam's state, and the largest of each second moment so far, uncorrected."""

    count: Array  # type: ignore[assignment]
    mu: PyTree
    nu: PyTree
    nu_max: PyTree


@transformation()
def scale_by_amsgrad(b1: ArrayLike, b2: ArrayLike, eps: ArrayLike) -> GradientTransformation:
    """Adam over the largest second moment so far, corrected as if it were the last."""

    def metric(m: Array, r: Array, largest: Array, correction: Corrections) -> Array:
        return divisor(unbiased(largest, correction.nu), eps)

    def update(
        g: Array, m: Array, r: Array, largest: Array, correction: Corrections
    ) -> tuple[Array, Array, Array, Array]:
        m = moving_average(g, m, b1)
        r = moving_average(abs_sq(g), r, b2)
        largest = jnp.maximum(largest, r)
        return unbiased(m, correction.mu) / metric(m, r, largest, correction), m, r, largest

    return leafwise(
        update,
        role="precondition",
        state=AmsgradState,
        nonnegative=("nu", "nu_max"),
        init=lambda p: (zeros_like(p), square_like(p), square_like(p)),
        context=lambda step: adam_corrections(b1, b2, step),
        metric=metric,
    )


class _Mixture(NamedTuple):
    """The weights of the gradient and of the mean, and the second average's bias correction."""

    gradient: Array
    mean: Array
    nu: Array


@transformation()
def scale_by_nadam(
    b1: ArrayLike, b2: ArrayLike, eps: ArrayLike, momentum_decay: ArrayLike
) -> GradientTransformation:
    """Adam under a momentum that warms up."""

    def momentum(t: Array) -> Array:
        return jnp.asarray(b1 * (1 - 0.5 * 0.96 ** (t * momentum_decay)))

    def context(step: Step) -> _Mixture:
        t = optax.safe_increment(step.count)
        with jax.numpy_dtype_promotion("standard"):
            steps = jnp.asarray(t, float)
            now, ahead = momentum(steps), momentum(steps + 1)
            spent = power(b1, t) * _product(steps, momentum_decay)
            return _Mixture((1 - now) / (1 - spent), ahead / (1 - spent * ahead), bias(b2, t))

    def numerator(g: Array, m: Array, weights: _Mixture) -> Array:
        return weights.gradient.astype(g.dtype) * g + weights.mean.astype(g.dtype) * m

    def metric(m: Array, r: Array, weights: _Mixture) -> Array:
        return divisor(unbiased(r, weights.nu), eps)

    hyperparams = {"b1": b1, "b2": b2, "eps": eps, "momentum_decay": momentum_decay}
    return _ratio("scale_by_nadam", hyperparams, context, numerator, metric)


def _product(t: Array, momentum_decay: ArrayLike) -> Array:
    r"""The product of :math:`1 - q^i/2` for i up to t, with :math:`q = 0.96^ψ`, at any t at once.

    Its logarithm is :math:`-\sum_k \frac{2^{-k}}{k} \sum_{i ≤ t} q^{ik}`, whose inner sums are
    geometric.
    """
    k = jnp.arange(1, TERMS + 1, dtype=t.dtype)
    slope = k * (momentum_decay * jnp.log(jnp.asarray(0.96, t.dtype)))
    flat = slope == 0
    safe = jnp.where(flat, -1, slope)
    inner = jnp.where(flat, t, jnp.exp(slope) * jnp.expm1(safe * t) / jnp.expm1(safe))
    return jnp.exp(-jnp.sum(0.5**k / k * inner))


@transformation()
def scale_by_radam(b1: ArrayLike, b2: ArrayLike, eps: ArrayLike) -> GradientTransformation:
    """RAdam whose ε is added to the root of the raw second moment."""

    def numerator(g: Array, m: Array, now: Rectification) -> Array:
        return unbiased(m, now.correction.mu)

    def metric(m: Array, r: Array, now: Rectification) -> Array:
        factor = (jnp.sqrt(now.correction.nu) * now.ratio).astype(r.dtype)
        return jnp.where(now.on, divisor(r, eps) / factor, 1)

    hyperparams = {"b1": b1, "b2": b2, "eps": eps}
    return _ratio(
        "scale_by_radam", hyperparams, partial(rectification, b1, b2, 5.0), numerator, metric
    )


def _ratio(
    name: str,
    hyperparams: Mapping[str, Any],
    context: Callable[[Step], Any],
    numerator: Callable[..., Array],
    metric: Callable[..., Array],
) -> GradientTransformation:
    """Adam's moments, whose numerator and divisor are functions of them and of the step."""
    b1, b2 = hyperparams["b1"], hyperparams["b2"]

    def update(g: Array, m: Array, r: Array, now: Any) -> tuple[Array, Array, Array]:
        m = moving_average(g, m, b1)
        r = moving_average(abs_sq(g), r, b2)
        return numerator(g, m, now) / metric(m, r, now), m, r

    return leafwise(
        update,
        name=name,
        role="precondition",
        hyperparams=hyperparams,
        state=optax.ScaleByAdamState,
        init=lambda p: (zeros_like(p), square_like(p)),
        context=context,
        metric=metric,
    )
