r"""First moments: the gradient, remembered.

A *trace* sums what it sees, :math:`v ← ρ v + g`, and so grows the step by up to
:math:`1/(1-ρ)`; an *exponential moving average* weighs it, :math:`m ← β m + (1-β) g`,
and so keeps its scale but starts too small, by the factor :math:`1-β^t` that bias
correction divides by.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import Array, ArrayLike, Step
from regopt_jax._core.arithmetic import cast_like


def moving_average(x: Array, average: Array, decay: ArrayLike) -> Array:
    r"""One step of an exponential moving average, :math:`β m + (1-β) x`."""
    return jnp.add(_weight(1 - decay, x) * x, _weight(decay, x) * average)


def _weight(weight: ArrayLike, x: Array) -> ArrayLike:
    """In x's precision if it is an array: 1-β must be found in β's own, wider one."""
    return cast_like(weight, x) if isinstance(weight, jax.Array) else weight


def power(decay: ArrayLike, count: ArrayLike) -> Array:
    r""":math:`β^t`, outside ``jit`` too by one program: ``β**t`` is another for each t there."""
    count = jnp.asarray(count)
    if isinstance(decay, jax.Array):  # an integer power has no derivative under strict promotion
        count = count.astype(decay.dtype)
    decay = float(decay) if isinstance(decay, int) else decay
    return jax.lax.pow(jnp.asarray(decay), count)


def bias(decay: ArrayLike, count: ArrayLike) -> Array:
    r"""The bias correction :math:`1 - β^t` of a moving average, t steps after zero."""
    return 1 - power(decay, count)


def corrections(decay: ArrayLike, step: Step) -> tuple[Array, Array]:
    """The bias correction after this step, and one step later."""
    t = optax.safe_increment(step.count)
    return bias(decay, t), bias(decay, optax.safe_increment(t))


def unbiased(average: Array, correction: Array) -> Array:
    """A moving average, corrected."""
    return average / correction.astype(average.dtype)


def ahead(g: Array, m: Array, decay: ArrayLike, correction: Array, following: Array) -> Array:
    r"""The mean m one step later, were the next gradient g again (Dozat's Nesterov momentum).

    The gradient is corrected as of now, the mean as of the step that follows.
    """
    return moving_average(unbiased(g, correction), unbiased(m, following), decay)


class Corrections(NamedTuple):
    """The bias corrections of the two averages, and that of the first one step later."""

    mu: Array
    nu: Array
    next_mu: Array

    def mean(self, g: Array, m: Array, b1: ArrayLike, nesterov: bool) -> Array:
        """The first moment, corrected; with ``nesterov`` one step ahead."""
        return ahead(g, m, b1, self.mu, self.next_mu) if nesterov else unbiased(m, self.mu)


def adam_corrections(b1: ArrayLike, b2: ArrayLike, step: Step) -> Corrections:
    """The bias corrections after this step."""
    mu, next_mu = corrections(b1, step)
    return Corrections(mu, corrections(b2, step)[0], next_mu)
