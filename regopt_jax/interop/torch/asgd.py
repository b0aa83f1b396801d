"""Averaged stochastic gradient descent."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from regopt_jax._core import GradientTransformation, Step, leafwise, transformation, unit_metric
from regopt_jax._core.arithmetic import zeros_like
from regopt_jax._core.schedule import ScalarOrSchedule, previous, value_at
from regopt_jax._core.trees import Array, ArrayLike, PyTree
from regopt_jax.combine import chain
from regopt_jax.interop.torch._parts import NONNEGATIVE, decay, gradient
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate


class AverageState(NamedTuple):
    """The number of steps, and the average of the parameters after each since t₀."""

    count: Array  # type: ignore[assignment]
    ax: PyTree


@transformation(
    lr=NONNEGATIVE, weight_decay=NONNEGATIVE, lambd=NONNEGATIVE, alpha=NONNEGATIVE, t0=NONNEGATIVE
)
def asgd(
    lr: ScalarOrSchedule = 1e-2,
    lambd: ArrayLike = 1e-4,
    alpha: ArrayLike = 0.75,
    t0: ArrayLike = 1e6,
    weight_decay: ScalarOrSchedule = 0,
    *,
    maximize: bool = False,
) -> GradientTransformation:
    r"""``torch.optim.ASGD``.

    .. math:: η_t = \frac{α}{(1 + λ α (t-1))^κ}, \qquad W ← W - η_t (g_t + λ W), \qquad
       \bar W ← \bar W + \frac{W - \bar W}{\max(1, t - 1 - t_0)}

    The average is ``state[-1].ax``. Under a schedule :math:`η_t` has the rate of step
    :math:`t-1`, as in PyTorch, which computes it at the end of a step.

    Args:
      lr: α ≥ 0 or a schedule.
      lambd: λ ≥ 0.
      alpha: the power κ ≥ 0.
      t0: the number of steps after which averaging starts, ≥ 0; before, it is W itself.
      weight_decay: ≥ 0; its multiple of W is added to the gradient.
      maximize: climb.

    Raises:
      ValueError: a hyperparameter out of its range.

    Polyak & Juditsky, *Acceleration of stochastic approximation by averaging*, SIAM J.
    Control Optim. 30, 1992.

    >>> import jax.numpy as jnp
    >>> tx, w = asgd(0.5, lambd=0.25), jnp.array(2.0)
    >>> float(tx.update(jnp.array(1.0), tx.init(w), w)[0])
    -0.75
    """

    def eta(count: ArrayLike) -> Any:
        count = jnp.asarray(count)
        rate = value_at(lr, previous(count))
        return rate / (1 + lambd * rate * count) ** alpha

    return chain(
        *gradient(weight_decay, maximize), *decay(lambd), scale_by_learning_rate(eta), average(t0)
    )


@transformation()
def average(t0: ArrayLike) -> GradientTransformation:
    """Keep the average of the parameters that result; the updates pass unchanged."""

    def weight(step: Step) -> Array:
        with jax.numpy_dtype_promotion("standard"):
            return 1 / jnp.maximum(step.count - jnp.asarray(t0, float), 1.0)

    def update(u: Array, mean: Array, p: Array, weight: Array) -> tuple[Array, Array]:
        return u, mean + weight.astype(u.dtype) * (p + u - mean)

    return leafwise(
        update,
        role="gradient",
        state=AverageState,
        init=zeros_like,
        context=weight,
        metric=unit_metric,
        needs_params=True,
    )
