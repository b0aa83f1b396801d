r"""Muon: the momentum of a matrix, orthogonalised."""

from typing import Any

import jax.numpy as jnp
from optax.contrib import MuonDimensionNumbers as MuonDimensionNumbers, MuonState as MuonState

from regopt_jax._core import Array, ArrayLike, GradientTransformation, Step, leafwise, zeros_like
from regopt_jax._core.decorator import transformation
from regopt_jax.transforms.matrices import (
    DimensionNumbers,
    MatrixAxes,
    folded,
    matrix_axes,
    unfolded,
)
from regopt_jax.transforms.moments import ahead, corrections, moving_average, unbiased
from regopt_jax.transforms.orthogonal import (
    PRECONDITIONINGS,
    STANDARD,
    Coefficients,
    Preconditioning,
    orthogonalize,
)


@transformation(ns_steps="integer [1, inf)", beta="[0, 1)", eps="[0, inf)")
def scale_by_muon(
    ns_coeffs: Coefficients = STANDARD,
    ns_steps: int = 5,
    beta: ArrayLike = 0.95,
    eps: ArrayLike = 1e-8,
    mu_dtype: Any = None,
    *,
    nesterov: bool = True,
    adaptive: bool = False,
    preconditioning: Preconditioning = "frobenius",
    weight_dimension_numbers: DimensionNumbers | None = None,
) -> GradientTransformation:
    r"""Replace each matrix by its momentum, orthogonalised (Muon).

    .. math:: M_t = β M_{t-1} + (1-β) G_t, \qquad U_t = \mathrm{NS}(\hat M_t) ≈ U V^⊤
       \quad\text{for}\quad \hat M_t = U Σ V^⊤

    with :math:`\hat M_t` as in :func:`ema` and NS as in
    :func:`~regopt_jax.transforms.orthogonal.orthogonalize`.

    Args:
      ns_coeffs: (a, b, c) of the Newton-Schulz iteration, or one such row for each step.
      ns_steps: steps ≥ 1 of it, and at least the number of rows.
      beta: β in [0, 1).
      eps: ε ≥ 0.
      mu_dtype: dtype of M; the parameters' when ``None``.
      nesterov: look ahead by one more step of the mean.
      adaptive: multiply U by :math:`\langle \hat M, U\rangle`, the dual norm.
      preconditioning: what to divide by before the iteration.
      weight_dimension_numbers: :class:`MuonDimensionNumbers`, which axes of a leaf are a
        matrix's rows and columns, the others being batches of matrices; for all leaves, in
        a tree or a prefix of it, or from a function of the parameters.

    Raises:
      ValueError: a hyperparameter out of its range; (from ``init``) a leaf that is not a
        matrix and has no dimension numbers, by path.

    Jordan et al., *Muon*, 2024; Bernstein & Newhouse, *Old optimizer, new norm*, arXiv
    2409.20325.

    >>> import jax.numpy as jnp
    >>> tx, w = scale_by_muon(), jnp.diag(jnp.array([9.0, 3.0]))
    >>> tx.update(w, tx.init(w))[0].diagonal().round(2).tolist()
    [0.75, 1.1299999952316284]
    """
    if preconditioning not in PRECONDITIONINGS:
        raise ValueError(
            f"scale_by_muon: preconditioning must be one of {PRECONDITIONINGS}, "
            f"got {preconditioning!r}."
        )

    def matrices(m: Array, rows: Array, axes: MatrixAxes) -> Array:
        u = orthogonalize(folded(m, axes), rows, ns_steps, eps, preconditioning)
        u = unfolded(u, axes, m.shape)
        return jnp.sum(m.conj() * u) * u if adaptive else u

    def update(
        g: Array, m: Array, axes: MatrixAxes, now: tuple[Array, tuple[Array, Array]]
    ) -> tuple[Array, Array]:
        rows, corrections = now
        m = moving_average(g, m, beta)
        mean = ahead(g, m, beta, *corrections) if nesterov else unbiased(m, corrections[0])
        return matrices(mean, rows, axes), m

    def context(step: Step) -> tuple[Array, tuple[Array, Array]]:
        return step.state.ns_coeffs, corrections(beta, step)

    return leafwise(
        update,
        role="precondition",
        state=MuonState,
        init=lambda p: zeros_like(p, mu_dtype),
        context=context,
        each=lambda step: matrix_axes("scale_by_muon", weight_dimension_numbers, step.updates),
        scalars={"ns_coeffs": lambda params: _rows(ns_coeffs, ns_steps)},
        check=lambda name, params: matrix_axes(name, weight_dimension_numbers, params),
        elementwise=False,
    )


def _rows(coefficients: Coefficients, steps: int) -> Array:
    try:
        rows = jnp.asarray(coefficients, float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"scale_by_muon: ns_coeffs must be (a, b, c) or such rows, got {coefficients!r}."
        ) from error
    if rows.ndim not in (1, 2) or rows.shape[-1] != 3:
        raise ValueError(
            f"scale_by_muon: ns_coeffs must be (a, b, c) or such rows, not of shape {rows.shape}."
        )
    if rows.ndim == 2 and len(rows) > steps:
        raise ValueError(f"scale_by_muon: {len(rows)} rows of ns_coeffs, but ns_steps={steps}.")
    return rows
