r"""COCOB: each weight's distance from its start is a bet on the sign of its gradients."""

import jax.numpy as jnp
from optax.contrib import COCOBState as COCOBState

from regopt_jax._core import GradientTransformation, leafwise, transformation
from regopt_jax._core.arithmetic import copied, square_like, zeros_like
from regopt_jax._core.matching import check_real
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.norms import nonzero


@transformation(alpha="(0, inf)", eps="[0, inf)")
def scale_by_cocob(alpha: ArrayLike = 100.0, eps: ArrayLike = 1e-8) -> GradientTransformation:
    r"""Place each weight by betting on a coin, without a step size (COCOB).

    .. math:: L_t &= \max(L_{t-1}, |g_t|), \quad G_t = G_{t-1} + |g_t|, \quad
       R_t = \max(R_{t-1} - g_t (W_t - W_0), 0), \quad θ_t = θ_{t-1} - g_t \\
       u_t &= W_0 + \frac{θ_t}{L_t \max(G_t + L_t, α L_t)} (L_t + R_t) - W_t

    with :math:`L_0 = ε`. A gradient is a coin, R what was won. The update is a whole step, to be
    added as it is.

    Args:
      alpha: α > 0; a first step is 1/max(2, α) long in each weight.
      eps: ε ≥ 0.

    Raises:
      TypeError: (from ``init``) a parameter is complex, by path.
      ValueError: a hyperparameter out of its range.

    Orabona & Tommasi, *Training deep networks without learning rates through coin betting*,
    arXiv 1705.07795, algorithm 2.

    >>> import jax.numpy as jnp
    >>> tx, w = scale_by_cocob(alpha=4.0), jnp.array(2.0)
    >>> float(tx.update(jnp.array(8.0), tx.init(w), w)[0])
    -0.25
    """

    def init(p: Array) -> tuple[Array, ...]:
        return copied(p), zeros_like(p), square_like(p, eps), zeros_like(p), zeros_like(p)

    def update(
        g: Array, start: Array, theta: Array, largest: Array, total: Array, reward: Array, p: Array
    ) -> tuple[Array, ...]:
        largest = jnp.maximum(largest, jnp.abs(g))
        total = total + jnp.abs(g)
        reward = jnp.maximum(reward - g * (p - start), 0)
        theta = theta - g
        share = theta / nonzero(largest * jnp.maximum(total + largest, alpha * largest))
        return start + share * (largest + reward) - p, start, theta, largest, total, reward

    return leafwise(
        update,
        role="step",
        factor=lambda step: jnp.asarray(-1.0),
        state=COCOBState,
        init=init,
        needs_params=True,
        check=check_real,
    )
