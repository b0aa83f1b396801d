r"""Centred RMSProp: divide by a running standard deviation."""

import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation, leafwise, numbers, transformation
from regopt_jax._core.arithmetic import abs_sq, square_like
from regopt_jax._core.optax_states import ScaleByRStdDevWithCountState
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import moving_average, unbiased
from regopt_jax.transforms.second_moments import correction, divisor, split


@transformation(eps="[0, inf)", initial_scale="[0, inf)")
def scale_by_stddev(
    decay: ArrayLike = 0.99,
    eps: ArrayLike = 1e-8,
    initial_scale: ArrayLike = 0.0,
    eps_in_sqrt: bool = False,
    bias_correction: bool = False,
) -> GradientTransformation:
    r"""Divide each gradient by a running standard deviation of itself (centred RMSProp).

    .. math:: m_t = γ m_{t-1} + (1-γ) g_t, \quad r_t = γ r_{t-1} + (1-γ) g_t^2, \qquad
       u_t = g_t / (\sqrt{\max(r_t - m_t^2, 0)} + ε)

    The variance is never negative; rounding can make it so in Optax and PyTorch,
    whose result is then not a number.

    Args:
      decay: γ in [0, 1), and 1 without ``bias_correction``.
      eps: ε ≥ 0.
      initial_scale: r₀ ≥ 0.
      eps_in_sqrt: put ε under the root instead, Optax's default.
      bias_correction: divide both moments by :math:`1-γ^t` first.

    Raises:
      ValueError: a hyperparameter out of its range.

    Graves, *Generating sequences with recurrent neural networks*, arXiv 1308.0850.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_stddev(decay=0.5)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 6)
    2.0
    """
    numbers.check("scale_by_stddev", decay=(decay, "[0, 1)" if bias_correction else "[0, 1]"))

    def init(p: Array) -> tuple[Array, Array]:
        return square_like(p), square_like(p, initial_scale)

    def metric(m: Array, r: Array, correction: Array | None = None) -> Array:
        if correction is not None:
            m, r = unbiased(m, correction), unbiased(r, correction)
        return divisor(jnp.maximum(r - abs_sq(m), 0), *split(eps, eps_in_sqrt))

    def update(g: Array, m: Array, r: Array, *correction: Array) -> tuple[Array, Array, Array]:
        m = moving_average(g, m, decay)
        r = moving_average(abs_sq(g), r, decay)
        return g / metric(m, r, *correction), m, r

    return leafwise(
        update,
        role="precondition",
        state=ScaleByRStdDevWithCountState if bias_correction else optax.ScaleByRStdDevState,
        init=init,
        context=correction(decay, bias_correction),
        metric=metric,
    )
