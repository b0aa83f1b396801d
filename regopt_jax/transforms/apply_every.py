"""Updates summed up and passed on at every k-th step."""

import jax.numpy as jnp
import optax

from regopt_jax._core import Array, ArrayLike, GradientTransformation, Step, leafwise, zeros_like
from regopt_jax._core.decorator import transformation


@transformation(k="integer [1, inf)")
def apply_every(k: ArrayLike = 1) -> GradientTransformation:
    r"""Pass on the sum of k updates at every k-th step, and zeros in between.

    .. math:: u_t = \sum_{i=0}^{k-1} g_{t-i} \ \text{if } k \mid t, \quad 0 \text{ otherwise}

    What stands before or after it in a chain runs at every step; :func:`accumulate` runs
    its transformation once for k gradients instead.

    Args:
      k: an integer ≥ 1.

    Raises:
      ValueError: k is not an integer, or less than 1.

    >>> import jax.numpy as jnp
    >>> tx = apply_every(2)
    >>> state = tx.init(jnp.array(0.0))
    >>> for g in (1.0, 3.0):
    ...     u, state = tx.update(jnp.array(g), state)
    ...     print(float(u))
    0.0
    4.0
    """

    def update(g: Array, total: Array, where: tuple[Array, Array]) -> tuple[Array, Array]:
        first, last = where
        total = jnp.where(first, 0, total) + g
        return jnp.where(last, total, 0), total

    def position(step: Step) -> tuple[Array, Array]:
        within = step.state.count % k
        return within == 0, within == k - 1

    return leafwise(
        update,
        role="precondition",
        state=optax.ApplyEvery,
        init=zeros_like,
        context=position,
        counter="",
        scalars={"count": lambda params: jnp.zeros([], jnp.int32)},
        advance=lambda step, _: {"count": optax.safe_increment(step.state.count) % k},
    )
