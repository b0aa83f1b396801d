r"""RMSProp: divide by a running root-mean-square."""

import optax

from regopt_jax._core import GradientTransformation, leafwise, numbers, transformation
from regopt_jax._core.arithmetic import abs_sq, square_like
from regopt_jax._core.optax_states import ScaleByRmsWithCountState
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import moving_average, unbiased
from regopt_jax.transforms.second_moments import correction, divisor, split


@transformation(eps="[0, inf)", initial_scale="[0, inf)")
def scale_by_rms(
    decay: ArrayLike = 0.99,
    eps: ArrayLike = 1e-8,
    initial_scale: ArrayLike = 0.0,
    eps_in_sqrt: bool = False,
    bias_correction: bool = False,
) -> GradientTransformation:
    r"""Divide each gradient by a running root-mean-square of itself (RMSProp).

    .. math:: r_t = γ r_{t-1} + (1-γ) g_t^2, \qquad u_t = g_t / (\sqrt{r_t} + ε)

    Args:
      decay: γ in [0, 1), and 1 without ``bias_correction``. The lecture's 0.99; Optax's
        default is 0.9.
      eps: ε ≥ 0.
      initial_scale: r₀ ≥ 0.
      eps_in_sqrt: divide by :math:`\sqrt{r_t + ε}` instead, Optax's default.
      bias_correction: divide :math:`r_t` by :math:`1-γ^t` first.

    Raises:
      ValueError: a hyperparameter out of its range.

    Hinton, Srivastava & Swersky, *Lecture 6e*, 2012.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_rms(decay=0.75)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 6)
    2.0
    """
    numbers.check("scale_by_rms", decay=(decay, "[0, 1)" if bias_correction else "[0, 1]"))

    def init(p: Array) -> Array:
        return square_like(p, initial_scale)

    def metric(r: Array, correction: Array | None = None) -> Array:
        return divisor(
            r if correction is None else unbiased(r, correction), *split(eps, eps_in_sqrt)
        )

    def update(g: Array, r: Array, *correction: Array) -> tuple[Array, Array]:
        r = moving_average(abs_sq(g), r, decay)
        return g / metric(r, *correction), r

    return leafwise(
        update,
        role="precondition",
        state=ScaleByRmsWithCountState if bias_correction else optax.ScaleByRmsState,
        init=init,
        context=correction(decay, bias_correction),
        metric=metric,
    )
