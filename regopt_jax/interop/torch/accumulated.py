"""Adagrad and Adadelta."""

from typing import Any

import jax.numpy as jnp

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, value_at
from regopt_jax._core.decorator import transformation
from regopt_jax.combine import chain
from regopt_jax.interop.torch._parts import NONNEGATIVE, given, gradient
from regopt_jax.transforms.scale_by_adadelta import scale_by_adadelta
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_rss import scale_by_rss


@transformation(
    lr=NONNEGATIVE,
    weight_decay=NONNEGATIVE,
    lr_decay=NONNEGATIVE,
    eps=NONNEGATIVE,
    initial_accumulator_value=NONNEGATIVE,
)
def adagrad(
    lr: ScalarOrSchedule = 1e-2,
    lr_decay: ArrayLike = 0,
    weight_decay: ScalarOrSchedule = 0,
    initial_accumulator_value: ArrayLike = 0,
    eps: ArrayLike = 1e-10,
    *,
    maximize: bool = False,
) -> GradientTransformation:
    r"""``torch.optim.Adagrad``.

    .. math:: s_t = s_{t-1} + g_t^2, \qquad
       W ← W - \frac{α}{1 + (t-1) η} \frac{g_t}{\sqrt{s_t} + ε}

    Args:
      lr: α ≥ 0 or a schedule.
      lr_decay: η ≥ 0.
      weight_decay: λ ≥ 0; λW is added to the gradient.
      initial_accumulator_value: s₀ ≥ 0.
      eps: ε ≥ 0, outside the root; Optax has it inside.
      maximize: climb.

    Raises:
      ValueError: a hyperparameter out of its range.

    >>> import jax.numpy as jnp
    >>> tx = adagrad(0.1, initial_accumulator_value=7.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 6)
    -0.075
    """

    def decayed(count: ArrayLike) -> Any:
        return value_at(lr, count) / (1 + jnp.asarray(count) * lr_decay)

    return chain(
        *gradient(weight_decay, maximize),
        scale_by_rss(initial_accumulator_value, eps, eps_in_sqrt=False),
        scale_by_learning_rate(decayed if given(lr_decay) else lr),
    )


@transformation(lr=NONNEGATIVE, weight_decay=NONNEGATIVE, rho="[0, 1]", eps=NONNEGATIVE)
def adadelta(
    lr: ScalarOrSchedule = 1.0,
    rho: ArrayLike = 0.9,
    eps: ArrayLike = 1e-6,
    weight_decay: ScalarOrSchedule = 0,
    *,
    maximize: bool = False,
) -> GradientTransformation:
    r"""``torch.optim.Adadelta``; see :func:`regopt_jax.scale_by_adadelta`.

    Args:
      lr: α ≥ 0 or a schedule.
      rho: ρ in [0, 1].
      eps: ε ≥ 0.
      weight_decay: λ ≥ 0; λW is added to the gradient.
      maximize: climb.

    Raises:
      ValueError: a hyperparameter out of its range.

    >>> import jax.numpy as jnp
    >>> tx = adadelta(rho=0.75, eps=1.0)
    >>> round(float(tx.update(jnp.array(2.0), tx.init(jnp.array(0.0)))[0]), 6)
    -1.414214
    """
    return chain(
        *gradient(weight_decay, maximize), scale_by_adadelta(rho, eps), scale_by_learning_rate(lr)
    )
