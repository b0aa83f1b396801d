r"""Adagrad: divide by the root of the sum of squares."""

import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation, leafwise, transformation
from regopt_jax._core.arithmetic import abs_sq, square_like
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.second_moments import divisor, split


@transformation(initial_accumulator_value="[0, inf)", eps="[0, inf)")
def scale_by_rss(
    initial_accumulator_value: ArrayLike = 0.1, eps: ArrayLike = 1e-7, *, eps_in_sqrt: bool = True
) -> GradientTransformation:
    r"""Divide each gradient by the root of the sum of all its squares so far (Adagrad).

    .. math:: s_t = s_{t-1} + g_t^2, \qquad u_t = g_t / \sqrt{s_t + ε}
       \quad\text{and } 0 \text{ where } s_t = 0

    Args:
      initial_accumulator_value: s₀ ≥ 0.
      eps: ε ≥ 0.
      eps_in_sqrt: divide by :math:`\sqrt{s_t} + ε` if not, as PyTorch does.

    Raises:
      ValueError: a hyperparameter out of its range.

    Duchi, Hazan & Singer, *Adaptive subgradient methods*, JMLR 12, 2011.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_rss(initial_accumulator_value=7.0, eps=0.0)
    >>> float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0])
    0.75
    """

    def init(p: Array) -> Array:
        return square_like(p, initial_accumulator_value)

    def metric(s: Array) -> Array:
        seen = jnp.where(s > 0, s, 1)
        return jnp.where(s > 0, divisor(seen, *split(eps, eps_in_sqrt)), jnp.inf)

    def update(g: Array, s: Array) -> tuple[Array, Array]:
        s = s + abs_sq(g)
        return g / metric(s), s

    return leafwise(
        update, role="precondition", state=optax.ScaleByRssState, init=init, metric=metric
    )
