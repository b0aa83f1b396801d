"""RMSProp: steps of even size in unevenly scaled directions."""

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import chain
from regopt_jax.transforms.identity import identity
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_rms import scale_by_rms
from regopt_jax.transforms.scale_by_stddev import scale_by_stddev
from regopt_jax.transforms.trace import trace


@transformation(momentum="[0, 1] or None")
def rmsprop(
    learning_rate: ScalarOrSchedule | None,
    decay: ArrayLike = 0.99,
    eps: ArrayLike = 1e-8,
    initial_scale: ArrayLike = 0.0,
    eps_in_sqrt: bool = False,
    centered: bool = False,
    momentum: ArrayLike | None = None,
    nesterov: bool = False,
    bias_correction: bool = False,
) -> GradientTransformation:
    r"""Divide the gradient by a running root-mean-square of itself.

    .. math:: r_t = γ r_{t-1} + (1-γ) g_t^2, \qquad W ← W - α\, g_t / (\sqrt{r_t} + ε)

    The lecture's γ = 0.99 with ε outside the root; Optax's defaults are 0.9, inside.

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      decay: γ in [0, 1], below 1 with ``bias_correction``.
      eps: ε ≥ 0.
      initial_scale: r₀ ≥ 0.
      eps_in_sqrt: put ε under the root.
      centered: divide by the standard deviation instead.
      momentum: ρ of a trace of the scaled steps, after the learning rate; ``None`` for none.
      nesterov: of that trace.
      bias_correction: divide r by :math:`1-γ^t`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Hinton, Srivastava & Swersky, *Lecture 6e*, 2012.

    >>> import jax.numpy as jnp
    >>> tx = rmsprop(0.1, decay=0.75)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 6)
    -0.2
    """
    scale_by_root = scale_by_stddev if centered else scale_by_rms
    return chain(
        scale_by_root(decay, eps, initial_scale, eps_in_sqrt, bias_correction),
        scale_by_learning_rate(learning_rate),
        identity() if momentum is None else trace(momentum, nesterov),
    )
