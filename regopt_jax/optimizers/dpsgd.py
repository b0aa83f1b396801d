"""Gradient descent that tells little of any one example."""

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import chain
from regopt_jax.transforms.differentially_private_aggregate import differentially_private_aggregate
from regopt_jax.transforms.identity import identity
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.trace import trace


@transformation(momentum="[0, 1] or None")
def dpsgd(
    learning_rate: ScalarOrSchedule | None,
    l2_norm_clip: ArrayLike,
    noise_multiplier: ArrayLike,
    seed: int,
    momentum: ArrayLike | None = None,
    nesterov: bool = False,
) -> GradientTransformation:
    r"""Gradient descent with each example's gradient clipped, and noise (DP-SGD).

    .. math:: W ← W - \frac αB \left(\sum_{i=1}^B g_{t,i} \min(1, c / \lVert g_{t,i}\rVert)
       + σ c\, ξ_t\right), \qquad ξ_t \sim N(0, I)

    The gradients have the B examples as their first axis. How much privacy is left after how
    many steps is for an accountant to say.

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      l2_norm_clip, noise_multiplier: c and σ of :func:`differentially_private_aggregate`.
      seed: of the noise, which nobody else may know.
      momentum: ρ in [0, 1] of :func:`trace`; none when ``None``.
      nesterov: Nesterov's form of it.

    Raises:
      ValueError: a hyperparameter out of its range.

    Abadi et al., *Deep learning with differential privacy*, arXiv 1607.00133.

    >>> import jax.numpy as jnp
    >>> tx, w = dpsgd(2.0, 1.0, 0.0, seed=0), jnp.zeros(2)
    >>> tx.update(jnp.array([[0.0, 0.5], [3.0, 4.0]]), tx.init(w), w)[0].tolist()
    [-0.6000000238418579, -1.2999999523162842]
    """
    return chain(
        differentially_private_aggregate(l2_norm_clip, noise_multiplier, seed),
        identity() if momentum is None else trace(momentum, nesterov),
        scale_by_learning_rate(learning_rate),
    )
