"""Gradient descent with noise that decays."""

from regopt_jax._core import Array, ArrayLike, GradientTransformation, ScalarOrSchedule
from regopt_jax._core.decorator import transformation
from regopt_jax.combine import chain
from regopt_jax.transforms.add_noise import add_noise
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate


@transformation()
def noisy_sgd(
    learning_rate: ScalarOrSchedule | None,
    eta: ArrayLike = 0.01,
    gamma: ArrayLike = 0.55,
    key: Array | int | None = None,
    *,
    seed: int | None = None,
) -> GradientTransformation:
    r"""Gradient descent with Gaussian noise.

    .. math:: W ← W - α (g_t + σ_t ξ_t), \qquad σ_t^2 = η / t^γ, \quad ξ_t \sim N(0, I)

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      eta, gamma, key, seed: see :func:`add_noise`.

    Raises:
      ValueError: a hyperparameter out of its range, or both ``key`` and ``seed``.

    Neelakantan et al., *Adding gradient noise improves learning for very deep networks*,
    arXiv 1511.06807.

    >>> import jax.numpy as jnp
    >>> tx = noisy_sgd(0.1, eta=0.0, key=0)
    >>> float(tx.update(jnp.array(5.0), tx.init(jnp.array(0.0)))[0])
    -0.5
    """
    return chain(add_noise(eta, gamma, key, seed=seed), scale_by_learning_rate(learning_rate))
