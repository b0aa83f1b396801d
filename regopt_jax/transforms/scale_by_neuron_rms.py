r"""NorMuon: every neuron moves equally far."""

import math
from typing import NamedTuple

import jax.numpy as jnp

from regopt_jax._core import GradientTransformation, leafwise, transformation
from regopt_jax._core.arithmetic import abs_sq, square_like
from regopt_jax._core.trees import Array, ArrayLike, PyTree
from regopt_jax.transforms.moments import moving_average
from regopt_jax.transforms.norms import root_mean_square, scaled


class ScaleByNeuronRmsState(NamedTuple):
    """For each leaf the running mean square of each neuron's update, with axes kept."""

    nu: PyTree


@transformation(b2="[0, 1)", eps="[0, inf)", rms="(0, inf)")
def scale_by_neuron_rms(
    b2: ArrayLike = 0.95, eps: ArrayLike = 1e-10, rms: ArrayLike = 0.2
) -> GradientTransformation:
    r"""Divide each neuron's update by its running root-mean-square, then fix that of the whole.

    .. math:: v_t = β_2 v_{t-1} + (1-β_2) \operatorname{mean}_{in}(g_t^2), \quad
       \hat g_t = \frac{g_t}{\sqrt{v_t} + ε}, \qquad
       u_t = ρ\, \frac{\hat g_t}{\operatorname{RMS}(\hat g_t)}

    A neuron is an index of the last axis, the outputs of a kernel; the mean runs over all
    the other axes.

    Args:
      b2: β₂ in [0, 1).
      eps: ε ≥ 0.
      rms: ρ > 0, the root-mean-square of each array's update; 0.2 is what Adam's has.

    Raises:
      ValueError: a hyperparameter out of its range.

    Li et al., *NorMuon: making Muon more efficient and scalable*, arXiv 2510.05491.

    >>> import jax.numpy as jnp
    >>> tx, g = scale_by_neuron_rms(), jnp.array([[3.0, 0.1], [-3.0, 0.1]])
    >>> u, _ = tx.update(g, tx.init(g))
    >>> jnp.round(u, 3).tolist()
    [[0.20000000298023224, 0.20000000298023224], [-0.20000000298023224, 0.20000000298023224]]
    """

    def update(g: Array, v: Array) -> tuple[Array, Array]:
        inputs = tuple(range(g.ndim - 1))
        mean = jnp.sum(abs_sq(g), inputs, keepdims=True) / max(math.prod(g.shape[:-1]), 1)
        v = moving_average(mean, jnp.real(v), b2)
        moved = v > 0  # the root has no derivative at 0
        g = jnp.where(moved, g / (jnp.sqrt(jnp.where(moved, v, 1)) + eps), 0)
        size = root_mean_square(g)
        return scaled(g, jnp.where(size > 0, rms / jnp.where(size > 0, size, 1), 0)), v

    def init(p: Array) -> Array:
        return square_like(jnp.sum(p, axis=tuple(range(p.ndim - 1)), keepdims=True))

    return leafwise(
        update,
        role="precondition",
        state=ScaleByNeuronRmsState,
        nonnegative=("nu",),
        init=init,
        elementwise=False,
    )
