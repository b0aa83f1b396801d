r"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from regopt_jax._core import GradientTransformation, leafwise, transformation
from regopt_jax._core.arithmetic import abs_sq, square_like, zeros_like
from regopt_jax._core.trees import Array, ArrayLike, PyTree
from regopt_jax.transforms.kronecker import PRECISION, along, factored_axes, gram, identities
from regopt_jax.transforms.moments import bias, moving_average, unbiased
from regopt_jax.transforms.norms import nonzero


class ScaleBySoapState(NamedTuple):
    """State of SOAP.

    Attributes:
      count: the number of updates.
      mu: the first moment, in the parameters' coordinates.
      nu: the second moment, in the eigenbasis.
      factors: for each leaf the averaged Gram matrices of its axes.
      bases: their eigenvectors, as columns.
    """

    count: Array  # type: ignore[assignment]
    mu: PyTree
    nu: PyTree
    factors: PyTree
    bases: PyTree


@transformation(
    b1="[0, 1)",
    b2="[0, 1)",
    shampoo_beta="[0, 1) or None",
    eps="[0, inf)",
    precondition_frequency="integer [1, inf)",
    max_precond_dim="[1, inf)",
)
def scale_by_soap(
    b1: ArrayLike = 0.95,
    b2: ArrayLike = 0.95,
    shampoo_beta: ArrayLike | None = None,
    eps: ArrayLike = 1e-8,
    precondition_frequency: int = 10,
    max_precond_dim: int = 10_000,
) -> GradientTransformation:
    r"""Adam in the eigenbasis of the gradient's Gram matrices (SOAP).

    .. math:: g'_t = Q_L^\top g_t Q_R, \quad m_t = β_1 m_{t-1} + (1-β_1) g_t, \quad
       r_t = β_2 r_{t-1} + (1-β_2) g'^2_t, \qquad
       u_t = Q_L \frac{Q_L^\top \hat m_t Q_R}{\sqrt{\hat r_t} + ε} Q_R^\top

    with :math:`Q_L, Q_R` the eigenvectors of the moving averages of :math:`g g^\top` and
    :math:`g^\top g`. The first update is zero and only sets them; every k-th one thereafter
    refines them, by one power iteration and a QR factorisation. Where r is 0, so is its
    coordinate of the update.

    Each axis of 2 to ``max_precond_dim`` elements has a basis of its own, also in arrays of
    more than two axes; longer axes are left in their coordinates, and so are vectors, for
    which this is Adam. Derivatives treat the bases as constants.

    Args:
      b1, b2: β₁, β₂ in [0, 1).
      shampoo_beta: β in [0, 1) of the Gram matrices; ``b2`` when ``None``.
      eps: ε ≥ 0.
      precondition_frequency: k ≥ 1.
      max_precond_dim: the longest axis that gets a basis, ≥ 1.

    Raises:
      ValueError: a hyperparameter out of its range.

    Vyas et al., *SOAP: improving and stabilizing Shampoo using Adam*, arXiv 2409.11321.

    >>> import jax.numpy as jnp
    >>> tx, g = scale_by_soap(), jnp.array([[3.0, 0.0], [0.0, -4.0]])
    >>> state = tx.init(g)
    >>> for _ in range(2):
    ...     u, state = tx.update(g, state)
    >>> jnp.round(u, 3).tolist()
    [[1.0, 0.0], [0.0, -1.0]]
    """
    decay = b2 if shampoo_beta is None else shampoo_beta

    def axes_of(shape: tuple[int, ...]) -> tuple[int, ...]:
        return factored_axes(shape, max_precond_dim) if len(shape) > 1 else ()

    def init(p: Array) -> tuple[Any, ...]:
        axes = axes_of(p.shape)
        return zeros_like(p), square_like(p), identities(p, axes, 0.0), identities(p, axes)

    def rebase(
        r: Array, factors: list[Array], bases: list[Array], axes: tuple[int, ...], count: Array
    ) -> tuple[Array, list[Array]]:
        if not axes:
            return r, bases
        constants = jax.lax.stop_gradient(factors)

        def first() -> tuple[Array, list[Array]]:
            return r, [jnp.linalg.eigh(h)[1][:, ::-1] for h in constants]

        def refine() -> tuple[Array, list[Array]]:
            moved, turned = r, []
            for h, q, axis in zip(constants, bases, axes, strict=True):
                power = jnp.matmul(h, jax.lax.stop_gradient(q), precision=PRECISION)
                order = jnp.argsort(-jnp.sum((q.conj() * power).real, axis=0))
                moved = jnp.take(moved, order, axis=axis)
                turned.append(jnp.linalg.qr(power[:, order])[0])
            return moved, turned

        due = jnp.where(count % precondition_frequency == 0, 1, 2)
        which = jnp.where(count == 0, 0, due)
        return jax.lax.switch(which, (first, refine, lambda: (r, bases)))

    def update(
        g: Array, m: Array, r: Array, factors: list[Array], bases: list[Array], count: Array
    ) -> tuple[Any, ...]:
        axes, r = axes_of(g.shape), jnp.real(r)
        into = [q.conj().T for q in bases]
        started = count > 0
        t = jnp.maximum(count, 1)
        m = jnp.where(started, moving_average(g, m, b1), m)
        r = jnp.where(started, moving_average(abs_sq(along(g, into, axes)), r, b2), r)
        mean = along(unbiased(m, bias(b1, t)), into, axes)
        seen = r > 0  # the root has no derivative at 0
        root = jnp.where(seen, jnp.sqrt(jnp.where(seen, unbiased(r, bias(b2, t)), 1)), 0)
        u = along(jnp.where(seen, mean, 0) / nonzero(root + eps), bases, axes)
        factors = [
            moving_average(gram(g, axis), h, decay) for h, axis in zip(factors, axes, strict=True)
        ]
        r, bases = rebase(r, factors, bases, axes, count)
        return jnp.where(started, u, 0), m, r, factors, bases

    return leafwise(
        update,
        role="precondition",
        state=ScaleBySoapState,
        nonnegative=("nu",),
        init=init,
        context=lambda step: step.count,
        elementwise=False,
        keep_dtype=True,
    )
