"""Optimisers that need no schedule, only a warmup."""

from typing import Any

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import chain
from regopt_jax.optimizers.sgd import sgd
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.schedules.warmups import warmup_constant_schedule
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_rms import scale_by_rms
from regopt_jax.wrappers.schedule_free import schedule_free


@transformation()
def schedule_free_sgd(
    learning_rate: ArrayLike = 1.0,
    warmup_steps: int | None = None,
    b1: ArrayLike = 0.9,
    weight_decay: ScalarOrSchedule | None = None,
    weight_lr_power: ArrayLike = 2.0,
    state_dtype: Any = None,
) -> GradientTransformation:
    r"""Gradient descent with an average instead of a schedule: :func:`schedule_free`.

    .. math:: z_{t+1} = z_t - γ_t\,(g_t + λ y_t)

    Args:
      learning_rate: γ ≥ 0, after the warmup.
      warmup_steps: of a linear warmup from 0; ``None`` for none.
      b1, weight_lr_power, state_dtype: see :func:`schedule_free`.
      weight_decay: λ ≥ 0 or a schedule.

    Raises:
      ValueError: a hyperparameter out of its range.

    Defazio et al., *The road less scheduled*, arXiv 2405.15682.

    >>> import jax.numpy as jnp
    >>> tx, w = schedule_free_sgd(0.1), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -0.3
    """
    rate = _warmed_up(learning_rate, warmup_steps)
    base = sgd(rate)
    if weight_decay is not None:
        base = chain(add_decayed_weights(weight_decay), base)
    return schedule_free(base, rate, b1, weight_lr_power, state_dtype)


@transformation(b2="[0, 1)")
def schedule_free_adamw(
    learning_rate: ArrayLike = 0.0025,
    warmup_steps: int | None = None,
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    weight_decay: ScalarOrSchedule = 0.0,
    weight_lr_power: ArrayLike = 2.0,
    state_dtype: Any = None,
) -> GradientTransformation:
    r"""AdamW with an average instead of momentum and schedule: :func:`schedule_free`.

    .. math:: z_{t+1} = z_t - γ_t \left(g_t / (\sqrt{\hat r_t} + ε) + λ y_t\right)

    Args:
      learning_rate: γ ≥ 0, after the warmup.
      warmup_steps: of a linear warmup from 0; ``None`` for none.
      b1, weight_lr_power, state_dtype: see :func:`schedule_free`.
      b2, eps: decay in [0, 1) and ε ≥ 0 of the second moment r.
      weight_decay: λ ≥ 0 or a schedule.

    Raises:
      ValueError: a hyperparameter out of its range.

    Defazio et al., *The road less scheduled*, arXiv 2405.15682.

    >>> import jax.numpy as jnp
    >>> tx, w = schedule_free_adamw(0.1), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -0.1
    """
    rate = _warmed_up(learning_rate, warmup_steps)
    base = chain(
        scale_by_rms(b2, eps, eps_in_sqrt=False, bias_correction=True),
        add_decayed_weights(weight_decay),
        scale_by_learning_rate(rate),
    )
    return schedule_free(base, rate, b1, weight_lr_power, state_dtype)


def _warmed_up(learning_rate: ArrayLike, warmup_steps: int | None) -> ScalarOrSchedule:
    if warmup_steps is None:
        return learning_rate
    return warmup_constant_schedule(0.0, learning_rate, warmup_steps)
