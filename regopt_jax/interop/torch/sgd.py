"""Gradient descent and RMSprop, with momentum as PyTorch has it."""

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import chain
from regopt_jax.interop.torch._parts import NONNEGATIVE, given, gradient
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_rms import scale_by_rms
from regopt_jax.transforms.scale_by_stddev import scale_by_stddev
from regopt_jax.transforms.trace import trace


@transformation(lr=NONNEGATIVE, weight_decay=NONNEGATIVE, momentum="[0, 1]", dampening="[0, 1)")
def sgd(
    lr: ScalarOrSchedule = 1e-3,
    momentum: ArrayLike = 0,
    dampening: ArrayLike = 0,
    weight_decay: ScalarOrSchedule = 0,
    nesterov: bool = False,
    *,
    maximize: bool = False,
) -> GradientTransformation:
    r"""``torch.optim.SGD``.

    .. math:: g_t = ∇f + λ W, \qquad v_1 = g_1, \quad v_t = ρ v_{t-1} + (1-d) g_t, \qquad
       W ← W - α v_t

    With ``nesterov`` the step is along :math:`g_t + ρ v_t`.

    Args:
      lr: α ≥ 0 or a schedule.
      momentum: ρ in [0, 1].
      dampening: d in [0, 1).
      weight_decay: λ ≥ 0, added to the gradient.
      nesterov: needs a momentum and no dampening, as in PyTorch.
      maximize: climb.

    Raises:
      ValueError: a hyperparameter out of its range, or ``nesterov`` without what it needs.

    >>> import jax.numpy as jnp
    >>> tx, w = sgd(0.5, weight_decay=0.25), jnp.array(2.0)
    >>> float(tx.update(jnp.array(1.0), tx.init(w), w)[0])
    -0.75
    """
    if nesterov and (not given(momentum) or given(dampening)):
        raise ValueError(
            f"sgd: nesterov needs a momentum and a dampening of 0, got momentum={momentum!r}, "
            f"dampening={dampening!r}."
        )
    return chain(
        *gradient(weight_decay, maximize),
        *([trace(momentum, nesterov, dampening=dampening)] if given(momentum) else []),
        scale_by_learning_rate(lr),
    )


@transformation(
    lr=NONNEGATIVE, weight_decay=NONNEGATIVE, alpha="[0, 1]", eps=NONNEGATIVE, momentum="[0, 1]"
)
def rmsprop(
    lr: ScalarOrSchedule = 1e-2,
    alpha: ArrayLike = 0.99,
    eps: ArrayLike = 1e-8,
    weight_decay: ScalarOrSchedule = 0,
    momentum: ArrayLike = 0,
    centered: bool = False,
    *,
    maximize: bool = False,
) -> GradientTransformation:
    r"""``torch.optim.RMSprop``.

    .. math:: r_t = γ r_{t-1} + (1-γ) g_t^2, \qquad
       v_t = ρ v_{t-1} + g_t / (\sqrt{r_t} + ε), \qquad W ← W - α_t v_t

    The learning rate multiplies the whole buffer; in Optax it goes into the buffer, which
    so remembers the rates of the past.

    Args:
      lr: α ≥ 0 or a schedule.
      alpha: γ in [0, 1].
      eps: ε ≥ 0, outside the root.
      weight_decay: λ ≥ 0; λW is added to the gradient.
      momentum: ρ in [0, 1].
      centered: subtract from r the square of the mean gradient; never below zero, where
        PyTorch's result is not a number.
      maximize: climb.

    Raises:
      ValueError: a hyperparameter out of its range.

    >>> import jax.numpy as jnp
    >>> tx = rmsprop(0.1, alpha=0.75)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 6)
    -0.2
    """
    scale_by_root = scale_by_stddev if centered else scale_by_rms
    return chain(
        *gradient(weight_decay, maximize),
        scale_by_root(alpha, eps),
        *([trace(momentum)] if given(momentum) else []),
        scale_by_learning_rate(lr),
    )
