r"""GaLore: any transformation, on the projection of each matrix to a few directions."""

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax.contrib import (
    GaLoreDimensionNumbers as GaLoreDimensionNumbers,
    GaLoreState as GaLoreState,
)

from regopt_jax._core import (
    GradientTransformation,
    arithmetic,
    as_transformation,
    fields,
    matching,
    trees,
    wrap,
)
from regopt_jax._core.arithmetic import at_least_float32
from regopt_jax._core.decorator import transformation
from regopt_jax._core.sharding import gathered, scattered
from regopt_jax._core.tolerance import strict
from regopt_jax._core.trees import Array, ArrayLike, PyTree
from regopt_jax._core.untrained import trainable
from regopt_jax.transforms.matrices import (
    MatrixAxes,
    axes_of,
    dimension_numbers,
    folded,
    sides,
    unfolded,
)
from regopt_jax.transforms.scale_by_adam import scale_by_adam

# For all leaves, in a tree or a prefix of it, or from a function of the parameters.
GaLoreDimensions: TypeAlias = Any


@transformation(update_proj_gap="integer [1, inf)", scale="[0, inf)")
def scale_by_galore(
    rank: int = 128,
    update_proj_gap: int = 200,
    scale: ArrayLike = 1.0,
    base_optimizer: optax.GradientTransformation | None = None,
    weight_dimension_numbers: GaLoreDimensions | None = None,
) -> GradientTransformation:
    r"""Run a transformation on the projection of each matrix to its first directions (GaLore).

    .. math:: R_t = P^\top G_t, \qquad U_t = α_s P\, \mathrm{base}(R_t)

    where the columns of P are the first r left singular vectors of the gradient of every k-th
    update. Of a matrix with fewer rows than columns they are the right ones,
    :math:`R = G P` and :math:`U = α_s\, \mathrm{base}(R) P^\top`. The state of the base is that
    of R, r times the shorter side. Other leaves go to the base as they are, without the factor.
    Derivatives treat P as constant.

    Args:
      rank: r ≥ 1; the shorter side where that is less.
      update_proj_gap: k ≥ 1.
      scale: α_s ≥ 0.
      base_optimizer: what sees R, and no parameters; :func:`scale_by_adam` when ``None``.
      weight_dimension_numbers: :class:`GaLoreDimensionNumbers`, which axes of a leaf are the
        rows and columns of its matrix, all of them, or ``None`` for a leaf as it is; for all
        leaves of two axes and more, in a tree or a prefix of it, or from a function of the
        parameters. All leaves of rank 2 when ``None``.

    Raises:
      TypeError: ``rank`` is no integer.
      ValueError: a hyperparameter out of its range; (from ``init``) a leaf's dimension numbers
        do not fit it, by path.

    Zhao et al., *GaLore: memory-efficient LLM training by gradient low-rank projection*, arXiv
    2403.03507. The singular vectors are those of the gradient in float32, as in Optax.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx, g = ro.scale_by_galore(1, base_optimizer=ro.identity()), jnp.diag(jnp.array([2.0, 1.0]))
    >>> tx.update(g, tx.init(g))[0].tolist()
    [[2.0, 0.0], [0.0, 0.0]]
    """
    name = "scale_by_galore"
    if not isinstance(rank, int | np.integer):
        raise TypeError(f"{name}: rank must be an integer in [1, inf), got {rank!r}.")
    if rank < 1:
        raise ValueError(f"{name}: rank must be an integer in [1, inf), got {rank!r}.")
    if base_optimizer is None:  # the same call, of a part that can be exchanged
        adam = scale_by_adam()
        return scale_by_galore(rank, update_proj_gap, scale, adam, weight_dimension_numbers)
    part = as_transformation(base_optimizer)
    constant: Callable[[Array], Array] = jax.lax.stop_gradient if strict() else lambda x: x

    def axes_in(tree: PyTree) -> list[MatrixAxes | None]:
        return _axes(name, weight_dimension_numbers, tree)

    def shapes(p: Any, axes: MatrixAxes) -> tuple[tuple[int, int], tuple[int, int]]:
        """Of P and of R."""
        rows, columns = sides(p.shape, axes)
        r = min(rank, rows, columns)
        return (max(rows, columns), r), (r, columns) if rows >= columns else (rows, r)

    def low(tree: PyTree) -> PyTree:
        """Zeros for each leaf as the base sees it."""
        leaves, treedef = trees.flatten(tree)

        def one(p: Any, axes: MatrixAxes | None) -> Any:
            if p is None:
                return None
            return (
                arithmetic.zeros_like(p) if axes is None else jnp.zeros(shapes(p, axes)[1], p.dtype)
            )

        return treedef.unflatten(list(map(one, leaves, axes_in(tree))))

    def init(params: PyTree) -> GaLoreState:
        params = trainable(params) if strict() else params
        leaves, treedef = trees.flatten(params)

        def basis(p: Any, axes: MatrixAxes | None) -> Any:
            if p is None:
                return None
            return jnp.zeros((0, 0) if axes is None else shapes(p, axes)[0], p.dtype)

        return GaLoreState(
            count=jnp.zeros([], jnp.int32),
            base_optimizer_state=part.init(low(params)),
            projector=treedef.unflatten(list(map(basis, leaves, axes_in(params)))),
        )

    def first_directions(matrix: Array, basis: Array) -> Array:
        single = jnp.complex64 if jnp.iscomplexobj(matrix) else jnp.float32
        u, _, vh = jnp.linalg.svd(matrix.astype(single), full_matrices=False)
        vectors = u if matrix.shape[0] >= matrix.shape[1] else vh.conj().T
        return vectors[:, : basis.shape[1]].astype(basis.dtype)

    def projected(g: Array, basis: Array, due: Array, axes: MatrixAxes) -> tuple[Array, Array]:
        matrix = folded(gathered(g), axes)
        basis = jax.lax.cond(
            due, lambda: first_directions(constant(matrix), basis), lambda: jnp.asarray(basis)
        )
        p, matrix = at_least_float32(basis), at_least_float32(matrix)
        with jax.numpy_dtype_promotion("standard"):
            low = p.conj().T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ p
        return low.astype(g.dtype), basis

    def restored(low: Array, basis: Array, g: Array, axes: MatrixAxes) -> Array:
        p, low = at_least_float32(basis), at_least_float32(low)
        rows, columns = sides(g.shape, axes)
        with jax.numpy_dtype_promotion("standard"):
            u = jnp.multiply(scale, p @ low if rows >= columns else low @ p.conj().T)
        return scattered(unfolded(u.astype(g.dtype), axes, g.shape), g)

    project, restore = (jax.jit(f, static_argnames="axes") for f in (projected, restored))

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, GaLoreState]:
        leaves, treedef = trees.flatten(updates)
        each, due = axes_in(updates), state.count % update_proj_gap == 0
        small, bases = [], []
        for g, basis, axes in zip(
            leaves,
            matching.align(name, "state", state.projector, updates, treedef),
            each,
            strict=True,
        ):
            r, p = (g, basis) if axes is None else project(g, basis, due, axes=axes)
            small.append(r)
            bases.append(p)
        out, inner = part.update(
            treedef.unflatten(small), state.base_optimizer_state, None, **extra
        )
        outs = matching.align(name, "updates of the base", out, updates, treedef)
        full = [
            u if axes is None or u is None else restore(u, p, g, axes=axes)
            for g, p, axes, u in zip(leaves, bases, each, outs, strict=True)
        ]
        return treedef.unflatten(full), GaLoreState(
            count=optax.safe_increment(state.count),
            base_optimizer_state=inner,
            projector=treedef.unflatten(bases),
        )

    return wrap(
        part,
        init=init,
        update=update,
        lens=fields("base_optimizer_state"),
        sees=lambda tree: (low(tree),),
        mixes=True,
        count=lambda state: state.count,
    )


def _axes(who: str, given: GaLoreDimensions | None, tree: PyTree) -> list[MatrixAxes | None]:
    """Of each leaf, the axes of its matrix's rows and columns; ``None`` for one as it is."""
    leaves, paths = trees.flatten(tree)[0], trees.leaf_paths(tree)
    if given is None:
        given = GaLoreDimensionNumbers()
        specs = [given if np.ndim(x) == 2 else None for x in leaves]
    elif isinstance(given, GaLoreDimensionNumbers):
        specs = [given if np.ndim(x) >= 2 else None for x in leaves]
    else:
        specs = dimension_numbers(who, given, tree, GaLoreDimensionNumbers)
    return [
        None if x is None or spec is None else _all_axes(who, spec, x, path)
        for x, spec, path in zip(leaves, specs, paths, strict=True)
    ]


def _all_axes(who: str, spec: GaLoreDimensionNumbers, x: Any, path: str) -> MatrixAxes:
    axes = axes_of(who, spec, x, path)
    if axes[0]:
        raise ValueError(
            f"{who}: the leaf at '{path}' of shape {jnp.shape(x)} needs each of its axes among "
            f"the rows or the columns, but has {spec}."
        )
    return axes
