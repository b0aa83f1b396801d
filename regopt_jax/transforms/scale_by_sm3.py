r"""SM3: Adagrad's sums in the memory of an array's axes."""

import functools

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation, leafwise, transformation
from regopt_jax._core.arithmetic import abs_sq, square_like, zeros_like
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import moving_average


@transformation(b1="[0, 1)", b2="[0, 1]", eps="[0, inf)")
def scale_by_sm3(
    b1: ArrayLike = 0.9, b2: ArrayLike = 1.0, eps: ArrayLike = 1e-8
) -> GradientTransformation:
    r"""Divide by a bound on Adagrad's sums kept as one vector an axis, then average (SM3-II).

    .. math:: s_t(i) = β_2 \min_r a_{t-1}^r(i_r) + (1-β_2)\, g_t(i)^2, \quad
       a_t^r(j) = \max_{i_r = j} s_t(i), \qquad
       u_t = β_1 u_{t-1} + (1-β_1) \frac{g_t}{\sqrt{s_t + ε}}

    with a weight of 1 in place of :math:`1-β_2` if β₂ is 1, and a quotient of 0 where
    :math:`s_t = 0`. A number without axes has one sum of its own.

    Args:
      b1: β₁ in [0, 1).
      b2: β₂ in [0, 1].
      eps: ε ≥ 0.

    Raises:
      ValueError: a hyperparameter out of its range.

    Anil et al., *Memory-efficient adaptive optimization*, arXiv 1901.11150.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_sm3(b1=0.0)
    >>> state = tx.init(jnp.zeros((2, 2)))
    >>> for _ in range(2):
    ...     u, state = tx.update(jnp.array([[3.0, 0.0], [0.0, 4.0]]), state)
    >>> jnp.round(u, 4).tolist()
    [[0.707099974155426, 0.0], [0.0, 0.707099974155426]]
    """

    def axes(x: Array) -> list[tuple[int, ...]]:
        """For each accumulator the axes that it has not."""
        return [tuple(j for j in range(x.ndim) if j != i) for i in range(max(x.ndim, 1))]

    def init(p: Array) -> tuple[list[Array], Array]:
        p = jnp.asarray(p)
        return [square_like(jnp.sum(jnp.abs(p), axis=other)) for other in axes(p)], zeros_like(p)

    def update(g: Array, a: list[Array], m: Array) -> tuple[Array, list[Array], Array]:
        spread = [jnp.expand_dims(v.real, other) for v, other in zip(a, axes(g), strict=True)]
        weight = jnp.where(jnp.asarray(b2) == 1, 1.0, 1 - b2)
        s = weight.astype(m.real.dtype) * abs_sq(g) + b2 * functools.reduce(jnp.minimum, spread)
        root = jax.lax.rsqrt(jnp.where(s > 0, s, 1) + eps)
        m = moving_average(g * jnp.where(s > 0, root, 0), m, b1)
        return m, [jnp.max(s, axis=other, initial=0) for other in axes(g)], m

    return leafwise(
        update, role="precondition", state=optax.ScaleBySM3State, init=init, elementwise=False
    )
