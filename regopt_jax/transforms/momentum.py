r"""First moments: the gradient, remembered.

A *trace* sums what it sees, :math:`v ← ρ v + g`, and so grows the step by up to
:math:`1/(1-ρ)`; an *exponential moving average* weighs it, :math:`m ← β m + (1-β) g`,
and so keeps its scale but starts too small, by the factor :math:`1-β^t` that bias
correction divides by.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from regopt_jax import _hyperparams
from regopt_jax._core import GradientTransformation
from regopt_jax._leafwise import Step, leafwise, unit_metric
from regopt_jax._trees import Array, ArrayLike, PyTree, zeros_like


def moving_average(x: Array, average: Array, decay: ArrayLike) -> Array:
    r"""One step of an exponential moving average, :math:`β m + (1-β) x`."""
    return jnp.add(_weight(1 - decay, x) * x, _weight(decay, x) * average)


def _weight(weight: ArrayLike, x: Array) -> ArrayLike:
    """In x's precision if it is an array: 1-β must be found in β's own, wider one."""
    return weight.astype(jnp.finfo(x.dtype).dtype) if isinstance(weight, jax.Array) else weight


def power(decay: ArrayLike, count: ArrayLike) -> Array:
    r""":math:`β^t`."""
    count = jnp.asarray(count)
    if isinstance(decay, jax.Array):  # an integer power has no derivative under strict promotion
        count = count.astype(decay.dtype)
    with jax.numpy_dtype_promotion("standard"):
        return jnp.asarray(decay**count)


def bias(decay: ArrayLike, count: ArrayLike) -> Array:
    r"""The share :math:`1 - β^t` of a moving average's weights spent after t steps from zero."""
    return 1 - power(decay, count)


def unbiased(average: Array, share: Array) -> Array:
    """A moving average over the share of its weights that is spent."""
    return average / share.astype(average.dtype)


def look_ahead(g: Array, m: Array, decay: ArrayLike, share: Array, next_share: Array) -> Array:
    r"""The mean m one step later, were the next gradient g again (Dozat's Nesterov momentum)."""
    return moving_average(unbiased(g, share), unbiased(m, next_share), decay)


class DampenedTraceState(NamedTuple):
    """State of a dampened trace: the first step is not dampened, so steps are counted."""

    count: Array  # type: ignore[assignment]
    trace: PyTree


def trace(
    decay: ArrayLike,
    nesterov: bool = False,
    accumulator_dtype: Any = None,
    *,
    dampening: ArrayLike = 0.0,
) -> GradientTransformation:
    r"""Momentum: accumulate the gradients in a decaying sum.

    .. math:: v_t = ρ v_{t-1} + (1-d) g_t, \qquad u_t = v_t
       \quad\text{or, Nesterov,}\quad u_t = g_t + ρ v_t

    A steady gradient g steps by :math:`g (1-d)/(1-ρ)`, so the metric is :math:`(1-ρ)/(1-d)`,
    for Nesterov :math:`(1-ρ)/(1-ρd)`: with it a proximal map has the fixed points of the
    objective. There is none for ρ = 1, under which steady steps grow forever.

    Args:
      decay: ρ in [0, 1], usually 0.9.
      nesterov: look ahead by one more step of the trace.
      accumulator_dtype: dtype of v; the parameters' when ``None``.
      dampening: d in [0, 1), PyTorch's; the first step is v₁ = g₁ undampened.

    Raises:
      ValueError: a hyperparameter out of its range.

    Sutskever et al., *On the importance of initialization and momentum*, ICML 2013.

    >>> import jax.numpy as jnp
    >>> tx = trace(0.9)
    >>> state = tx.init(jnp.array(0.0))
    >>> for _ in range(2):
    ...     u, state = tx.update(jnp.array(1.0), state)
    >>> round(float(u), 6)
    1.9
    """
    _hyperparams.check("trace", decay=(decay, "[0, 1]"), dampening=(dampening, "[0, 1)"))
    dampened = not _hyperparams.is_number(dampening, 0)

    def init(p: Array) -> Array:
        return zeros_like(p, accumulator_dtype)

    def update(g: Array, v: Array, weight: ArrayLike = 1.0) -> tuple[Array, Array]:
        v = (jnp.asarray(weight, g.dtype) * g if dampened else g) + decay * v
        return (g + decay * v if nesterov else v), v

    def weight(step: Step) -> Array:
        return jnp.where(step.count == 0, 1.0, 1.0 - dampening)

    def metric(v: Array, *_: Array) -> ArrayLike:
        return (1 - decay) / (1 - (decay * dampening if nesterov else dampening))

    return leafwise(
        update,
        name="trace",
        role="precondition",
        hyperparams={"decay": decay, "nesterov": nesterov, "dampening": dampening},
        state=DampenedTraceState if dampened else optax.TraceState,
        init=init,
        context=weight if dampened else None,
        metric=None if _hyperparams.is_number(decay, 1) else metric,
    )


def ema(
    decay: ArrayLike,
    debias: bool = True,
    accumulator_dtype: Any = None,
    *,
    nesterov: bool = False,
) -> GradientTransformation:
    r"""Replace the gradient by an exponential moving average of itself.

    .. math:: m_t = β m_{t-1} + (1-β) g_t, \qquad u_t = m_t / (1-β^t)

    Args:
      decay: β in [0, 1), and 1 without ``debias``.
      debias: divide by :math:`1-β^t`; without it u = m.
      accumulator_dtype: dtype of m; the parameters' when ``None``.
      nesterov: look ahead by one more step of the mean, to
        :math:`β m_t/(1-β^{t+1}) + (1-β) g_t/(1-β^t)`.

    Raises:
      ValueError: ``decay`` out of its range.

    >>> import jax.numpy as jnp
    >>> tx = ema(0.9)
    >>> round(float(tx.update(jnp.array(1.0), tx.init(jnp.array(0.0)))[0]), 6)
    1.0
    """
    _hyperparams.check("ema", decay=(decay, "[0, 1)" if debias else "[0, 1]"))

    def init(p: Array) -> Array:
        return zeros_like(p, accumulator_dtype)

    def context(step: Step) -> tuple[Array, Array]:
        t = optax.safe_increment(step.count)
        return bias(decay, t), bias(decay, optax.safe_increment(t))

    def update(g: Array, m: Array, shares: tuple[Array, Array]) -> tuple[Array, Array]:
        m = moving_average(g, m, decay)
        if nesterov:
            return (look_ahead(g, m, decay, *shares) if debias else moving_average(g, m, decay)), m
        return (unbiased(m, shares[0]) if debias else m), m

    return leafwise(
        update,
        name="ema",
        role="precondition",
        hyperparams={"decay": decay, "debias": debias, "nesterov": nesterov},
        state=optax.EmaState,
        init=init,
        context=context,
        metric=unit_metric,
    )


def bias_correction(decay: ArrayLike) -> GradientTransformation:
    r"""Undo the start from zero of the moving average before it: :math:`u_t = g_t/(1-β^t)`.

    Args:
      decay: β in [0, 1) of the average that precedes this in the chain.

    Raises:
      ValueError: ``decay`` out of its range.

    Kingma & Ba, *Adam*, arXiv 1412.6980, section 3.

    >>> import jax.numpy as jnp
    >>> tx = bias_correction(0.9)
    >>> round(float(tx.update(jnp.array(0.1), tx.init(jnp.array(0.0)))[0]), 6)
    1.0
    """
    _hyperparams.check("bias_correction", decay=(decay, "[0, 1)"))
    return leafwise(
        unbiased,
        name="bias_correction",
        role="precondition",
        hyperparams={"decay": decay},
        state=optax.ScaleByScheduleState,
        context=lambda step: bias(decay, optax.safe_increment(step.count)),
        metric=unit_metric,
    )
