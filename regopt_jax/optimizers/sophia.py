"""Sophia: steps by momentum over curvature."""

from typing import Any

import optax

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import Mask, chain
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_sophia import HUTCHINSON, scale_by_sophia


@transformation()
def sophia(
    learning_rate: ScalarOrSchedule | None,
    b1: ArrayLike = 0.965,
    b2: ArrayLike = 0.99,
    eps: ArrayLike = 1e-8,
    weight_decay: ScalarOrSchedule = 1e-4,
    weight_decay_mask: Mask | None = None,
    gamma: ArrayLike = 0.01,
    clip_threshold: ArrayLike | None = 1.0,
    update_interval: int = 10,
    hessian_diagonal_fn: optax.GradientTransformation = HUTCHINSON,
    mu_dtype: Any = None,
    verbose: bool = False,
    print_win_rate_every_n_steps: int = 0,
) -> GradientTransformation:
    r"""Momentum over a mean of the Hessian's diagonal, clipped, and decoupled weight decay.

    .. math:: W ← W - α \left(\operatorname{clip}\left(\frac{\hat m_t}{\max(γ h_{t-1}, ε)},
       ±ρ\right) + λ W\right)

    ``update`` needs the loss too: ``tx.update(grads, state, params, obj_fn=loss)``.

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      b1, b2, eps, gamma, clip_threshold, update_interval: see :func:`scale_by_sophia`.
      hessian_diagonal_fn, mu_dtype, verbose, print_win_rate_every_n_steps: the same.
      weight_decay: λ ≥ 0 or a schedule; multiplied by α.
      weight_decay_mask: which leaves to decay; see :func:`masked`.

    Raises:
      ValueError: a hyperparameter out of its range; from ``update``, no parameters.

    Liu et al., *Sophia*, arXiv 2305.14342.

    >>> import jax.numpy as jnp
    >>> tx, w = sophia(0.1, weight_decay=0.0), jnp.array([1.0, 2.0])
    >>> updates, _ = tx.update(w, tx.init(w), w, obj_fn=lambda w: jnp.sum(w**3))
    >>> [round(float(u), 4) for u in updates]
    [-0.1, -0.1]
    """
    return chain(
        scale_by_sophia(
            b1,
            b2,
            eps,
            gamma,
            clip_threshold,
            update_interval,
            hessian_diagonal_fn,
            mu_dtype,
            verbose,
            print_win_rate_every_n_steps,
        ),
        add_decayed_weights(weight_decay, weight_decay_mask),
        scale_by_learning_rate(learning_rate),
    )
