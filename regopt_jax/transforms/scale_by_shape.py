r"""The effect of a matrix's shape on its step, undone (Muon)."""

import math

from optax.contrib import MuonDimensionNumbers as MuonDimensionNumbers, MuonState as MuonState

from regopt_jax._core import Array, ArrayLike, GradientTransformation, leafwise, transformation
from regopt_jax.transforms.matrices import DimensionNumbers, MatrixAxes, matrix_axes, sides


@transformation(consistent_rms="[0, inf) or None")
def scale_by_shape(
    weight_dimension_numbers: DimensionNumbers | None = None,
    consistent_rms: ArrayLike | None = None,
) -> GradientTransformation:
    r"""Multiply a matrix by what makes steps of one learning rate suit all shapes.

    .. math:: u = g \sqrt{\max(1, n/m)} \quad\text{or}\quad u = g\,ρ \sqrt{\max(n, m)}

    Args:
      weight_dimension_numbers: as in :func:`scale_by_muon`; m rows, the reduced axes, and
        n columns.
      consistent_rms: ρ ≥ 0, for a root-mean-square of ρ in the second form; the first
        when ``None``.

    Raises:
      ValueError: ``consistent_rms`` out of its range; (from ``update``) a leaf that is not a
        matrix and has no dimension numbers, by path.

    Liu et al., *Muon is scalable for LLM training*, arXiv 2502.16982.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_shape()
    >>> tx.update(jnp.ones((1, 4)), tx.init(jnp.ones((1, 4))))[0].tolist()
    [[2.0, 2.0, 2.0, 2.0]]
    """

    def scaled(g: Array, axes: MatrixAxes) -> Array:
        rows, columns = sides(g.shape, axes)
        if consistent_rms is None:
            return g * (math.sqrt(max(1.0, columns / rows)) if rows else 1.0)
        return (g * (math.sqrt(max(rows, columns)) * consistent_rms)).astype(g.dtype)

    return leafwise(
        scaled,
        role="precondition",
        each=lambda step: matrix_axes("scale_by_shape", weight_dimension_numbers, step.updates),
        elementwise=False,
    )
