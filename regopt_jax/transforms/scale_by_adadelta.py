r"""Adadelta: steps in the units of the parameters."""

import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation, leafwise, transformation
from regopt_jax._core.arithmetic import abs_sq, square_like
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import moving_average
from regopt_jax.transforms.norms import nonzero


@transformation(rho="[0, 1]", eps="[0, inf)")
def scale_by_adadelta(rho: ArrayLike = 0.9, eps: ArrayLike = 1e-6) -> GradientTransformation:
    r"""Multiply each gradient by the size of the past updates over its own.

    .. math:: r_t = ρ r_{t-1} + (1-ρ) g_t^2, \quad
       u_t = \frac{\sqrt{x_{t-1} + ε}}{\sqrt{r_t + ε}}\, g_t, \quad
       x_t = ρ x_{t-1} + (1-ρ) u_t^2

    Args:
      rho: ρ in [0, 1].
      eps: ε ≥ 0; without it nothing ever moves.

    Raises:
      ValueError: a hyperparameter out of its range.

    Zeiler, *ADADELTA: an adaptive learning rate method*, arXiv 1212.5701.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_adadelta(rho=0.75, eps=1.0)
    >>> round(float(tx.update(jnp.array(2.0), tx.init(jnp.array(0.0)))[0]), 4)
    1.4142
    """

    def update(g: Array, r: Array, x: Array) -> tuple[Array, Array, Array]:
        r = moving_average(abs_sq(g), r, rho)
        own = nonzero(r + eps)
        u = jnp.sqrt(x + eps) / jnp.sqrt(own) * g
        # u² by another way, so that XLA keeps no root for two uses.
        return u, r, moving_average((x + eps) * abs_sq(g) / own, x, rho)

    return leafwise(
        update,
        role="precondition",
        state=optax.ScaleByAdaDeltaState,
        init=lambda p: (square_like(p), square_like(p)),
    )
