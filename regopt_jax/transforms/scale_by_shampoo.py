r"""Shampoo: a preconditioner for each axis."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from regopt_jax._core import GradientTransformation, leafwise, transformation
from regopt_jax._core.arithmetic import abs_sq, square_like
from regopt_jax._core.trees import Array, ArrayLike, PyTree
from regopt_jax.transforms.kronecker import PRECISION, along, factored_axes, gram, identities
from regopt_jax.transforms.moments import moving_average


class ScaleByShampooState(NamedTuple):
    """State of Shampoo.

    Attributes:
      count: the number of updates.
      factors: for each leaf the Gram matrices of its axes; of a leaf without, the squares.
      roots: their inverse roots.
    """

    count: Array  # type: ignore[assignment]
    factors: PyTree
    roots: PyTree


def _inverse_root(h: Array, eps: ArrayLike, order: int) -> Array:
    """(H + εI) to the power of -1/order, of a positive semidefinite H."""
    values, vectors = jnp.linalg.eigh(h)
    scaled = vectors * (jnp.maximum(values, 0) + eps)[None, :] ** (-1 / order)
    return jnp.matmul(scaled, vectors.conj().T, precision=PRECISION)


@transformation(
    b2="[0, 1) or None",
    eps="(0, inf)",
    precondition_frequency="integer [1, inf)",
    max_precond_dim="[1, inf)",
)
def scale_by_shampoo(
    b2: ArrayLike | None = None,
    eps: ArrayLike = 1e-4,
    precondition_frequency: int = 1,
    max_precond_dim: int = 10_000,
) -> GradientTransformation:
    r"""Multiply each axis by an inverse root of its sum of Gram matrices (Shampoo).

    .. math:: L_t = L_{t-1} + g_t g_t^\top, \quad R_t = R_{t-1} + g_t^\top g_t, \qquad
       u_t = (L_t + εI)^{-1/4}\, g_t\, (R_t + εI)^{-1/4}

    An array of n axes with a factor takes the roots of order 2n: of a vector,
    :math:`H^{-1/2}`. Axes longer than ``max_precond_dim`` have none and do not count; where
    no axis has one, the diagonal takes its place, :math:`u = g/\sqrt{\sum g^2 + ε}`.
    Derivatives treat the roots as constants.

    Args:
      b2: β₂ in [0, 1) of moving averages in place of the sums; ``None`` for sums.
      eps: ε > 0.
      precondition_frequency: the roots are those of every k-th update, k ≥ 1.
      max_precond_dim: the longest axis that gets a factor, ≥ 1.

    Raises:
      ValueError: a hyperparameter out of its range.

    Gupta, Koren & Singer, *Shampoo: preconditioned stochastic tensor optimization*,
    arXiv 1802.09568.

    >>> import jax.numpy as jnp
    >>> tx, g = scale_by_shampoo(), jnp.array([[3.0, 0.0], [0.0, -4.0]])
    >>> u, _ = tx.update(g, tx.init(g))
    >>> jnp.round(u, 3).tolist()
    [[1.0, 0.0], [0.0, -1.0]]
    """

    def init(p: Array) -> tuple[list[Array], list[Array]]:
        axes = factored_axes(p.shape, max_precond_dim)
        return (identities(p, axes, 0.0) if axes else [square_like(p)]), identities(p, axes)

    def gather(x: Array, total: Array) -> Array:
        return total + x if b2 is None else moving_average(x, total, b2)

    def update(
        g: Array, factors: list[Array], roots: list[Array], count: Array
    ) -> tuple[Array, list[Array], list[Array]]:
        axes = factored_axes(g.shape, max_precond_dim)
        if not axes:
            total = gather(abs_sq(g), jnp.real(factors[0]))
            return g / jnp.sqrt(total + eps), [total], roots
        factors = [gather(gram(g, axis), h) for h, axis in zip(factors, axes, strict=True)]
        constants = jax.lax.stop_gradient(factors)
        roots = jax.lax.cond(
            count % precondition_frequency == 0,
            lambda: [_inverse_root(h, eps, 2 * len(axes)) for h in constants],
            lambda: roots,
        )
        return along(g, roots, axes), factors, roots

    return leafwise(
        update,
        role="precondition",
        state=ScaleByShampooState,
        init=init,
        context=lambda step: step.count,
        elementwise=False,
        keep_dtype=True,
    )
