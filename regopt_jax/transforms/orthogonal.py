"""Orthogonalisation by matrix products alone: the Newton-Schulz iteration."""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike
from regopt_jax._core.arithmetic import at_least_float32
from regopt_jax.transforms.norms import nonzero

Preconditioning = Literal["frobenius", "spectral", "aol", "schatten"]
PRECONDITIONINGS = ("frobenius", "spectral", "aol", "schatten")
Row = tuple[ArrayLike, ArrayLike, ArrayLike]
Coefficients = ArrayLike | Row | tuple[Row, ...]
STANDARD: Row = (3.4445, -4.7750, 2.0315)


class Start(NamedTuple):
    """What an iteration starts from: a matrix and, where it is known already, x xᴴ."""

    x: Array
    gram: Array | None = None


def orthogonalize(
    x: Array,
    coefficients: Coefficients = STANDARD,
    steps: int = 5,
    eps: ArrayLike = 1e-8,
    preconditioning: Preconditioning = "frobenius",
) -> Array:
    r"""Bring all singular values of a matrix near one.

    .. math:: X_0 = X / (\lVert X\rVert_F + ε), \qquad
       X_{k+1} = a X_k + (b A_k + c A_k^2) X_k \quad\text{with } A_k = X_k X_k^H

    Args:
      x: the matrix; of an array of higher rank, the last two axes.
      coefficients: (a, b, c), or one such row for each step. The default reaches the
        singular values [0.7, 1.2] fast rather than 1 exactly.
      steps: how often to iterate, with one row of coefficients for all.
      eps: ε ≥ 0.
      preconditioning: what to divide X by first: its ``frobenius`` or its ``spectral`` norm,
        the root of the Frobenius norm of A (``schatten``), or each row by the root of the
        absolute row sum of A (``aol``), which also changes the singular vectors.

    Jordan et al., *Muon*, 2024; Boissin et al., *Turbo-Muon*, arXiv 2512.04632; Grishina
    et al., *Accelerating Newton-Schulz iteration*, arXiv 2506.10935.

    >>> import jax.numpy as jnp
    >>> orthogonalize(jnp.diag(jnp.array([3.0, 1.0])), steps=8).diagonal().round(2).tolist()
    [1.1299999952316284, 0.6800000071525574]
    """
    if not x.size:
        return x
    tall = x.shape[-2] > x.shape[-1]
    start = _preconditioned(x.mT if tall else x, eps, preconditioning)
    y = iterate(start, coefficients, steps)
    return y.mT if tall else y


def iterate(start: Start, coefficients: Coefficients, steps: int) -> Array:
    """The Newton-Schulz iteration alone, for matrices with no more rows than columns.

    Products are summed in float32 or wider and each step rounded to the matrix's dtype.

    Args:
      start: the matrices, of singular values up to about 1.
      coefficients, steps: see :func:`orthogonalize`.
    """
    rows = jnp.asarray(coefficients)
    x, gram = start
    for step in range(steps if rows.ndim == 1 else len(rows)):
        a, b, c = (rows if rows.ndim == 1 else rows[step]).astype(at_least_float32(x).dtype)
        gram = rounded(_product(x, x.mT.conj()), x.dtype) if gram is None else gram
        polynomial = rounded(b * at_least_float32(gram) + c * _product(gram, gram), x.dtype)
        x = rounded(a * at_least_float32(x) + _product(polynomial, x), x.dtype)
        gram = None
    return x


def rounded(x: Array, dtype: Any) -> Array:
    """A cast to a narrower dtype that the compiler does not fuse away, as it may a plain one."""
    if x.dtype == dtype:
        return x
    narrow = jnp.finfo(dtype)
    return jax.lax.reduce_precision(x, narrow.nexp, narrow.nmant).astype(dtype)


def _preconditioned(x: Array, eps: ArrayLike, preconditioning: Preconditioning) -> Start:
    if preconditioning in ("frobenius", "spectral"):
        order: Any = "fro" if preconditioning == "frobenius" else 2
        norm = jnp.linalg.norm(at_least_float32(x), ord=order, axis=(-2, -1), keepdims=True)
        return Start(x / nonzero((norm + eps).astype(x.dtype)))
    gram = _product(x, x.mT.conj())
    if preconditioning == "aol":
        size = jnp.sum(jnp.abs(gram), axis=-1, keepdims=True)
    else:
        size = jnp.linalg.norm(gram, axis=(-2, -1), keepdims=True)
    factor = (1 / jnp.sqrt(nonzero(jnp.maximum(size, eps)))).astype(x.dtype)
    return Start(x * factor, gram.astype(x.dtype) * factor * factor.mT)


def _product(x: Array, y: Array) -> Array:
    return jnp.matmul(x, y, preferred_element_type=at_least_float32(x).dtype)
