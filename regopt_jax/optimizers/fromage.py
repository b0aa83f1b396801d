"""Fromage: steps relative to each array's norm, which they do not let grow."""

from typing import Any

import optax

from regopt_jax._core import Array, ArrayLike, GradientTransformation, ScalarOrSchedule, value_at
from regopt_jax._core.decorator import transformation
from regopt_jax._core.lift import Step, leafwise
from regopt_jax._core.optax_states import WeightDecaySchedule
from regopt_jax.combine import chain
from regopt_jax.transforms.norms import scaled
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_trust_ratio import scale_by_trust_ratio


@transformation(min_norm="[0, inf)")
def fromage(learning_rate: ScalarOrSchedule, min_norm: ArrayLike = 1e-6) -> GradientTransformation:
    r"""Fromage.

    .. math:: W ← \frac{1}{\sqrt{1 + α^2}}
       \left(W - α\, \frac{\lVert W\rVert}{\lVert g\rVert}\, g\right)

    Args:
      learning_rate: α ≥ 0 or a schedule.
      min_norm: the least that either norm is taken for, ≥ 0.

    Raises:
      ValueError: a hyperparameter out of its range.

    Bernstein et al., *On the distance between two neural networks and the stability of
    learning*, arXiv 2002.03432.

    >>> import jax.numpy as jnp
    >>> tx, w = fromage(0.75), jnp.array([4.0, 0.0])
    >>> tx.update(jnp.array([0.0, 8.0]), tx.init(w), w)[0].round(4).tolist()
    [-0.7999999523162842, -2.3999998569488525]
    """
    return chain(
        scale_by_trust_ratio(min_norm),
        scale_by_learning_rate(learning_rate),
        _shrink(learning_rate),
    )


def _shrink(learning_rate: ScalarOrSchedule) -> GradientTransformation:
    """Divide the point that the step leads to, W + u, by √(1 + α²)."""

    def context(step: Step) -> tuple[ArrayLike, ArrayLike]:
        rate = value_at(learning_rate, step.count)
        root = (1 + rate**2) ** 0.5
        return 1 / root, -(rate**2) / (root * (1 + root))  # which is 1/root - 1, exactly

    def update(u: Array, p: Array, factors: Any) -> Array:
        kept, less = factors
        return scaled(u, kept) + scaled(p, less)

    return leafwise(
        update,
        name="shrink",
        role="regularizer",
        hyperparams={"learning_rate": learning_rate},
        state=WeightDecaySchedule if callable(learning_rate) else optax.EmptyState,
        context=context,
        needs_params=True,
    )
