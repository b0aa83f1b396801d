"""Updates summed up and passed on at every k-th step."""

from typing import Any

import jax.numpy as jnp
import optax

from regopt_jax import _hyperparams
from regopt_jax._core import GradientTransformation
from regopt_jax._leafwise import Step, leafwise
from regopt_jax._trees import Array, ArrayLike, PyTree, zeros_like


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
    _hyperparams.check("apply_every", k=(k, "integer [1, inf)"))

    def update(g: Array, total: Array, where: tuple[Array, Array]) -> tuple[Array, Array]:
        first, last = where
        total = jnp.where(first, 0, total) + g
        return jnp.where(last, total, 0), total

    def position(step: Step) -> tuple[Array, Array]:
        within = step.count % k
        return within == 0, within == k - 1

    summed = leafwise(
        update,
        name="apply_every",
        role="precondition",
        hyperparams={"k": k},
        state=optax.ApplyEvery,
        init=zeros_like,
        context=position,
    )

    def update_wrapped(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, optax.ApplyEvery]:
        out, after = summed.update(updates, state, params, **extra)
        return out, after._replace(count=after.count % k)

    return GradientTransformation(summed.init, update_wrapped, **vars(summed))
