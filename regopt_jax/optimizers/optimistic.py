"""Optimistic descent, which does not circle the solution of a game of two players."""

from typing import Any

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import chain
from regopt_jax.transforms.scale_by_adam import scale_by_adam
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_optimistic_gradient import scale_by_optimistic_gradient


@transformation()
def optimistic_gradient_descent(
    learning_rate: ScalarOrSchedule | None, alpha: ArrayLike = 1.0, beta: ArrayLike = 1.0
) -> GradientTransformation:
    r"""Gradient descent that extrapolates the gradient.

    .. math:: W ← W - η \left(α g_t + β (g_t - g_{t-1})\right)

    Args:
      learning_rate: η ≥ 0, a schedule, or ``None`` for no scaling.
      alpha, beta: see :func:`scale_by_optimistic_gradient`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Mokhtari, Ozdaglar & Pattathil, *A unified analysis of extra-gradient and optimistic
    gradient methods for saddle point problems*, arXiv 1901.08511.

    >>> import jax.numpy as jnp
    >>> tx = optimistic_gradient_descent(0.5)
    >>> float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0])
    -1.5
    """
    return chain(scale_by_optimistic_gradient(alpha, beta), scale_by_learning_rate(learning_rate))


@transformation(learning_rate="(0, inf)", optimism="(-inf, inf) or None")
def optimistic_adam(
    learning_rate: ArrayLike,
    optimism: ArrayLike | None = None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    mu_dtype: Any = None,
    *,
    nesterov: bool = True,
) -> GradientTransformation:
    r"""Optimistic Adam, with a rate of its own for the optimism.

    .. math:: W ← W - α r_t - ω (r_t - r_{t-1}), \qquad r_t = \hat m_t / (\sqrt{\hat v_t} + ε)

    Args:
      learning_rate: α > 0, a number; :func:`optimistic_adam_v2` takes schedules.
      optimism: ω; α when ``None``, as in the paper.
      b1, b2, eps, eps_root, mu_dtype, nesterov: see :func:`scale_by_adam`.

    Raises:
      ValueError: a hyperparameter out of its range.
      TypeError: ``learning_rate`` is a schedule.

    Daskalakis et al., *Training GANs with optimism*, arXiv 1711.00141.

    >>> import jax.numpy as jnp
    >>> tx = optimistic_adam(0.1, nesterov=False)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    -0.1
    """
    if learning_rate is None or callable(learning_rate):  # which Optax's face lets through
        raise ValueError(
            "optimistic_adam: learning_rate must be a number; optimistic_adam_v2 takes schedules."
        )
    share = 1.0 if optimism is None else optimism / learning_rate
    return chain(
        scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov),
        scale_by_optimistic_gradient(1.0, share),
        scale_by_learning_rate(learning_rate),
    )


@transformation()
def optimistic_adam_v2(
    learning_rate: ScalarOrSchedule | None,
    *,
    alpha: ArrayLike = 1.0,
    beta: ArrayLike = 1.0,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    mu_dtype: Any = None,
    nesterov: bool = True,
) -> GradientTransformation:
    r"""Optimistic Adam, whose learning rate scales the optimism too.

    .. math:: W ← W - η \left(α r_t + β (r_t - r_{t-1})\right), \qquad
       r_t = \hat m_t / (\sqrt{\hat v_t} + ε)

    Args:
      learning_rate: η ≥ 0, a schedule, or ``None`` for no scaling.
      alpha, beta: see :func:`scale_by_optimistic_gradient`.
      b1, b2, eps, eps_root, mu_dtype, nesterov: see :func:`scale_by_adam`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Daskalakis et al., *Training GANs with optimism*, arXiv 1711.00141.

    >>> import jax.numpy as jnp
    >>> tx = optimistic_adam_v2(0.1, nesterov=False)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    -0.1
    """
    return chain(
        scale_by_adam(b1, b2, eps, eps_root, mu_dtype, nesterov=nesterov),
        scale_by_optimistic_gradient(alpha, beta),
        scale_by_learning_rate(learning_rate),
    )
