r"""Adamax: divide by the largest gradient, decayed."""

import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation, leafwise, transformation
from regopt_jax._core.arithmetic import square_like, zeros_like
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import bias, moving_average, unbiased
from regopt_jax.transforms.norms import nonzero


@transformation(b1="[0, 1)", b2="[0, 1)", eps="[0, inf)")
def scale_by_adamax(
    b1: ArrayLike = 0.9, b2: ArrayLike = 0.999, eps: ArrayLike = 1e-8
) -> GradientTransformation:
    r"""Divide a running mean of the gradient by its decaying maximum (Adamax).

    .. math:: m_t = β_1 m_{t-1} + (1-β_1) g_t, \quad r_t = \max(|g_t| + ε, β_2 r_{t-1}), \qquad
       u_t = \frac{m_t}{(1-β_1^t)\, r_t}

    Args:
      b1, b2: β₁, β₂ in [0, 1).
      eps: ε ≥ 0.

    Raises:
      ValueError: a hyperparameter out of its range.

    Kingma & Ba, *Adam*, arXiv 1412.6980, section 7.1.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_adamax(b1=0.0)
    >>> state = tx.init(jnp.array(0.0))
    >>> for g in (4.0, 1.0):
    ...     u, state = tx.update(jnp.array(g), state)
    >>> round(float(u), 4)
    0.2503
    """

    def update(g: Array, m: Array, r: Array, correction: Array) -> tuple[Array, Array, Array]:
        m = moving_average(g, m, b1)
        r = jnp.maximum(jnp.abs(g) + eps, b2 * r)
        return unbiased(m, correction) / nonzero(r), m, r

    return leafwise(
        update,
        role="precondition",
        state=optax.ScaleByAdamState,
        init=lambda p: (zeros_like(p), square_like(p)),
        context=lambda step: bias(b1, optax.safe_increment(step.count)),
        metric=lambda m, r, correction: nonzero(r),
    )
