r"""Momentum: a decaying sum of the gradients."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation, Step, leafwise, numbers, transformation
from regopt_jax._core.arithmetic import zeros_like
from regopt_jax._core.trees import Array, ArrayLike, PyTree


class DampenedTraceState(NamedTuple):
    """State of a dampened trace: the first step is not dampened, so steps are counted."""

    count: Array  # type: ignore[assignment]
    trace: PyTree


@transformation(decay="[0, 1]", dampening="[0, 1)")
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
    dampened = not numbers.is_number(dampening, 0)

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
        role="precondition",
        state=DampenedTraceState if dampened else optax.TraceState,
        init=init,
        context=weight if dampened else None,
        metric=None if numbers.is_number(decay, 1) else metric,
    )
