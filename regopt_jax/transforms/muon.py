r"""Muon's two steps: orthogonalise the momentum, then undo the effect of the matrix's shape."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax
from optax.contrib import (
    MuonDimensionNumbers as MuonDimensionNumbers,
    MuonState as MuonState,
)

from regopt_jax import _hyperparams, _packed, _trees
from regopt_jax._core import GradientTransformation
from regopt_jax._layout import laid_out_like
from regopt_jax._trees import Array, ArrayLike, PyTree
from regopt_jax.transforms.momentum import ema
from regopt_jax.transforms.orthogonal import (
    PRECONDITIONINGS,
    STANDARD,
    Coefficients,
    Preconditioning,
    orthogonalize,
)

_Axes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
DimensionNumbers: TypeAlias = MuonDimensionNumbers | PyTree | Callable[[PyTree], PyTree]


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
    name = "scale_by_muon"
    _hyperparams.check(
        name, ns_steps=(ns_steps, "integer [1, inf)"), beta=(beta, "[0, 1)"), eps=(eps, "[0, inf)")
    )
    if preconditioning not in PRECONDITIONINGS:
        raise ValueError(
            f"{name}: preconditioning must be one of {PRECONDITIONINGS}, got {preconditioning!r}."
        )
    momentum = ema(beta, accumulator_dtype=mu_dtype, nesterov=nesterov)

    def init(params: PyTree) -> MuonState:
        _packed.refuse(name, params)
        start = momentum.init(params)
        _matrix_axes(name, weight_dimension_numbers, params)
        return MuonState(start.count, start.ema, _rows(ns_coeffs, ns_steps))

    def matrices(m: Array, rows: Array, axes: _Axes) -> Array:
        order = sum(axes, ())
        x = m.transpose(order)
        batch, reduced, out = (tuple(m.shape[i] for i in group) for group in axes)
        flat = x.reshape(*batch, math.prod(reduced), math.prod(out))
        u = orthogonalize(flat, rows, ns_steps, eps, preconditioning).reshape(x.shape)
        u = u.transpose(sorted(range(m.ndim), key=order.__getitem__))
        return jnp.sum(m.conj() * u) * u if adaptive else u

    kernel = jax.jit(matrices, static_argnums=2)

    def orthogonal(m: Array, rows: Array, axes: _Axes) -> Array:
        return laid_out_like(m, lambda m, rows: kernel(m, rows, axes))(m, rows)

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **_: Any
    ) -> tuple[PyTree, MuonState]:
        means, after = momentum.update(updates, optax.EmaState(state.count, state.mu))
        axes = _matrix_axes(name, weight_dimension_numbers, updates)
        leaves, treedef = _trees.flatten(means)
        us = [
            None if m is None else orthogonal(m, state.ns_coeffs, its)
            for m, its in zip(leaves, axes, strict=True)
        ]
        return treedef.unflatten(us), MuonState(after.count, after.ema, state.ns_coeffs)

    return GradientTransformation(
        init,
        update,
        name=name,
        role="precondition",
        hyperparams={
            "ns_coeffs": ns_coeffs,
            "ns_steps": ns_steps,
            "beta": beta,
            "eps": eps,
            "nesterov": nesterov,
            "adaptive": adaptive,
            "preconditioning": preconditioning,
        },
    )


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
    name = "scale_by_shape"
    _hyperparams.check(name, consistent_rms=(consistent_rms, "[0, inf) or None"))

    def scaled(g: Array, axes: _Axes) -> Array:
        _, rows, columns = (math.prod(jnp.shape(g)[i] for i in group) for group in axes)
        if consistent_rms is None:
            return g * (math.sqrt(max(1.0, columns / rows)) if rows else 1.0)
        return (g * (math.sqrt(max(rows, columns)) * consistent_rms)).astype(g.dtype)

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **_: Any
    ) -> tuple[PyTree, Any]:
        axes = _matrix_axes(name, weight_dimension_numbers, updates)
        leaves, treedef = _trees.flatten(updates)
        pairs = zip(leaves, axes, strict=True)
        return treedef.unflatten([g if g is None else scaled(g, its) for g, its in pairs]), state

    def init(params: PyTree) -> optax.EmptyState:
        _packed.refuse(name, params)
        return optax.EmptyState()

    return GradientTransformation(
        init,
        update,
        name=name,
        role="precondition",
        hyperparams={"consistent_rms": consistent_rms},
    )


def dimension_numbers(
    given: DimensionNumbers | None, tree: PyTree
) -> list[MuonDimensionNumbers | None]:
    """Those of each leaf, from those of all, of a prefix of the tree or from a function."""

    def is_leaf(x: Any) -> bool:
        return x is None or isinstance(x, MuonDimensionNumbers)

    tree = tree.unpacked_shapes() if _packed.is_packed(tree) else tree
    given = given(tree) if callable(given) else given
    flat: tuple[list[Any], Any] = jax.tree.flatten(given, is_leaf=is_leaf)
    specs, treedef = flat
    each = zip(specs, treedef.flatten_up_to(tree), strict=True)
    return [spec for spec, subtree in each for _ in _trees.flatten(subtree)[0]]


def _rows(coefficients: Coefficients, steps: int) -> Array:
    rows = jnp.asarray(coefficients, float)
    if rows.ndim not in (1, 2) or rows.shape[-1] != 3:
        raise ValueError(
            f"scale_by_muon: ns_coeffs must be (a, b, c) or such rows, not of shape {rows.shape}."
        )
    if rows.ndim == 2 and len(rows) > steps:
        raise ValueError(f"scale_by_muon: {len(rows)} rows of ns_coeffs, but ns_steps={steps}.")
    return rows


def _matrix_axes(who: str, given: DimensionNumbers | None, tree: PyTree) -> list[_Axes]:
    """Of each leaf, the axes of a batch, and of a matrix's rows and its columns."""
    specs = dimension_numbers(given, tree)
    leaves = zip(specs, _trees.flatten(tree)[0], _trees.leaf_paths(tree), strict=True)
    return [((), (), ()) if x is None else _axes(who, spec, x, path) for spec, x, path in leaves]


def _axes(who: str, spec: MuonDimensionNumbers | None, x: Any, path: str) -> _Axes:
    rank = jnp.ndim(x)
    if spec is None and rank != 2:
        raise ValueError(
            f"{who}: the leaf at '{path}' has shape {jnp.shape(x)}, not that of a matrix. Give "
            "its MuonDimensionNumbers, or another transformation with regopt_jax.partition."
        )
    rows, columns = (
        tuple(axis % max(rank, 1) for axis in ((axes,) if isinstance(axes, int) else axes))
        for axes in (spec or MuonDimensionNumbers())
    )
    if rank < 2 or set(rows) & set(columns):
        raise ValueError(
            f"{who}: the leaf at '{path}' of shape {jnp.shape(x)} needs separate axes for rows "
            f"and columns, but has {spec}."
        )
    return tuple(i for i in range(rank) if i not in {*rows, *columns}), rows, columns
