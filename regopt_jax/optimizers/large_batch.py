"""LARS and LAMB: steps as large as each array allows, for large batches."""

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import Mask, chain, masked
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.scale_by_adam import scale_by_adam
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_trust_ratio import scale_by_trust_ratio
from regopt_jax.transforms.trace import trace


@transformation(momentum="[0, 1]")
def lars(
    learning_rate: ScalarOrSchedule | None,
    weight_decay: ScalarOrSchedule = 0.0,
    weight_decay_mask: Mask = True,
    trust_coefficient: ArrayLike = 0.001,
    eps: ArrayLike = 0.0,
    trust_ratio_mask: Mask = True,
    momentum: ArrayLike = 0.9,
    nesterov: bool = False,
) -> GradientTransformation:
    r"""LARS: momentum SGD with steps relative to each array's norm.

    .. math:: h_t = g_t + λ W, \quad
       v_t = ρ v_{t-1} - α\, η \frac{\lVert W\rVert}{\lVert h_t\rVert + ε}\, h_t, \qquad W ← W + v_t

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      weight_decay: λ ≥ 0 or a schedule.
      weight_decay_mask, trust_ratio_mask: which leaves to decay, and which to scale; see
        :func:`masked`.
      trust_coefficient, eps: η and ε; see :func:`scale_by_trust_ratio`.
      momentum: ρ in [0, 1].
      nesterov: look ahead by one more step of the momentum.

    Raises:
      ValueError: a hyperparameter out of its range.

    You, Gitman & Ginsburg, *Large batch training of convolutional networks*, arXiv 1708.03888.

    >>> import jax.numpy as jnp
    >>> tx, w = lars(1.0, trust_coefficient=0.25), jnp.array([4.0, 0.0])
    >>> tx.update(jnp.array([0.0, 8.0]), tx.init(w), w)[0].tolist()
    [0.0, -1.0]
    """
    return chain(
        add_decayed_weights(weight_decay, weight_decay_mask),
        masked(
            scale_by_trust_ratio(trust_coefficient=trust_coefficient, eps=eps), trust_ratio_mask
        ),
        scale_by_learning_rate(learning_rate),
        trace(momentum, nesterov),
    )


@transformation()
def lamb(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-6,
    eps_root: ArrayLike = 0.0,
    weight_decay: ScalarOrSchedule = 0.0,
    mask: Mask | None = None,
) -> GradientTransformation:
    r"""LAMB: AdamW with steps relative to each array's norm.

    .. math:: u_t = \hat m_t / (\sqrt{\hat r_t} + ε) + λ W, \qquad
       W ← W - α \frac{\lVert W\rVert}{\lVert u_t\rVert}\, u_t

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, eps, eps_root: see :func:`scale_by_adam`.
      weight_decay: λ ≥ 0 or a schedule.
      mask: which leaves to decay; see :func:`masked`.

    Raises:
      ValueError: a hyperparameter out of its range.

    You et al., *Large batch optimization for deep learning*, arXiv 1904.00962.

    >>> import jax.numpy as jnp
    >>> tx, w = lamb(0.5), jnp.array([4.0])
    >>> tx.update(jnp.array([8.0]), tx.init(w), w)[0].tolist()
    [-2.0]
    """
    return chain(
        scale_by_adam(b1, b2, eps, eps_root),
        add_decayed_weights(weight_decay, mask),
        scale_by_trust_ratio(),
        scale_by_learning_rate(learning_rate),
    )
