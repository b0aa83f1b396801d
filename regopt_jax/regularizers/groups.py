r"""Penalties that keep or remove whole groups of weights.

The group lasso is a sum of norms, not of their squares, so it has a corner where a
group is zero as L1 has one where an element is.
"""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from regopt_jax._core import Array, ArrayLike, ScalarOrSchedule, abs_sq, numbers
from regopt_jax._core.decorator import numeric
from regopt_jax._core.magnitudes import power_of_two, quotient, root
from regopt_jax.regularizers.base import Regularizer
from regopt_jax.regularizers.norms import l1
from regopt_jax.regularizers.penalties import Penalty
from regopt_jax.regularizers.penalty import penalty

Labelling = Callable[[tuple[int, ...]], np.ndarray]


@dataclasses.dataclass(frozen=True)
class GroupLasso(Penalty, even=True, convex=True, radial=True):
    """r(x) = Σ_g w_g ‖x_g‖₂, the groups the indices along some axes or given by labels."""

    axis: tuple[int, ...] = (-1,)
    labels: Labelling | None = None
    size_weighted: bool = False

    def value(self, x: Array) -> Array:
        near_one, power = self._scaled(x)
        return jnp.sum(self._weights(x) * self._norms(near_one) * power)

    def grad(self, x: Array) -> Array:
        near_one, _ = self._scaled(x)
        norms = self._norms(near_one)
        slopes = jnp.where(norms > 0, self._weights(x) / _safe(norms), 0)
        return near_one * self._spread(slopes, x)

    def prox(self, z: Array, strength: ArrayLike, metric: Array) -> Array:
        near_one, power = self._scaled(z)
        if metric.ndim == 0:
            weighted = quotient(strength, metric, power) * self._weights(z)
            limits = jnp.minimum(weighted, 1e18)  # a number, for derivatives
            norms = self._norms(near_one)
            share = jnp.where(norms > 0, limits / _safe(norms), jnp.sign(limits))
            return z * self._spread(jnp.where(share < 1, 1 - share, 0), z)
        weights = self._spread(strength * self._weights(z), z)
        ridge = quotient(weights, metric, self._spread(power, z))
        ridge = jnp.minimum(ridge, 1 / jnp.finfo(ridge.dtype).tiny)
        pulls = jnp.where(z == 0, 0, jnp.abs(near_one) / jnp.where(z == 0, 1, ridge))
        survives = self._sum(pulls * pulls) > 1
        norms = self._root(near_one, ridge, survives)
        x = z * _ratio(self._spread(norms, z), ridge)
        return jnp.where(self._spread(survives, z) | (ridge == 0), x, 0)

    def _root(self, z: Array, ridge: Array, survives: Array) -> Array:
        """The norm t of each surviving group's solution z t/(t+h): Σ z²/(t+h)² = 1, h = λ/d.

        A trust region's secular equation, whose Newton iteration on the reciprocal of the
        norm rises to the root from any point below it, such as the largest |z| - h.
        """

        def excess(t: Array) -> Array:
            return self._sum(abs_sq(z / _safe(self._spread(t, z) + ridge))) - 1

        def newton(t: Array) -> Array:
            shifted = _safe(self._spread(t, z) + ridge)
            parts = abs_sq(z / shifted)
            square, slope = self._sum(parts), self._sum(parts / shifted)
            return t + square / _safe(slope) * (jnp.sqrt(square) - 1)

        def solve(_: Callable[[Array], Array], start: Array) -> Array:
            def rises(carry: tuple[Array, Array, Array]) -> Array:
                before, t, steps = carry
                return jnp.any((t > before) & survives) & (steps < 100)

            def step(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
                _, t, steps = carry
                return t, jnp.where(survives, newton(t), t), steps + 1

            first = jnp.where(survives, newton(start), start)
            return jax.lax.while_loop(rises, step, (start, first, jnp.zeros([], jnp.int32)))[1]

        def tangent_solve(linear: Callable[[Array], Array], y: Array) -> Array:
            return y / _safe(linear(jnp.ones_like(y)))

        start = jax.lax.stop_gradient(self._largest(jnp.abs(z) - ridge))
        return jax.lax.custom_root(excess, start, solve, tangent_solve)

    def _ids(self, x: Array) -> tuple[np.ndarray, int]:
        assert self.labels is not None
        ids = np.asarray(self.labels(x.shape))
        if ids.shape != x.shape or not np.issubdtype(ids.dtype, np.integer) or ids.min() < 0:
            raise ValueError(
                f"group_lasso: labels must give integers ≥ 0 in the array's shape {x.shape}, "
                f"got {ids.dtype} of shape {ids.shape}."
            )
        return ids, int(ids.max()) + 1

    def _reduced(self, x: Array) -> tuple[int, ...]:
        outside = [a for a in self.axis if not -x.ndim <= a < x.ndim]
        if outside:
            raise ValueError(
                f"group_lasso: axis {outside[0]} is outside an array of shape {x.shape}; "
                "restrict the regulariser with .on(select(...))."
            )
        kept = {a % x.ndim for a in self.axis}
        return tuple(a for a in range(x.ndim) if a not in kept)

    def _sum(self, x: Array) -> Array:
        if self.labels is None:
            return jnp.sum(x, axis=self._reduced(x), keepdims=True)
        ids, count = self._ids(x)
        return jax.ops.segment_sum(x.ravel(), ids.ravel(), count)

    def _largest(self, x: Array) -> Array:
        """The largest element of each group, at least 0."""
        if self.labels is None:
            return jnp.max(x, axis=self._reduced(x), keepdims=True, initial=0)
        ids, count = self._ids(x)
        return jnp.maximum(jax.ops.segment_max(x.ravel(), ids.ravel(), count), 0)

    def _scaled(self, x: Array) -> tuple[Array, Array]:
        power = power_of_two(self._largest(jnp.abs(x)))
        return x * self._spread(1 / power, x), power

    def _norms(self, x: Array) -> Array:
        return root(self._sum(abs_sq(x)))

    def _spread(self, per_group: ArrayLike, x: Array) -> Array:
        if self.labels is None:
            return jnp.broadcast_to(per_group, x.shape)
        return jnp.asarray(per_group)[self._ids(x)[0]]

    def _weights(self, x: Array) -> Array:
        counts = self._sum(jnp.ones(x.shape, x.real.dtype))
        return jnp.sqrt(counts) if self.size_weighted else jnp.ones_like(counts)


def _safe(x: Array) -> Array:
    """``x`` with 1 for 0, to divide by where the quotient is not used."""
    return jnp.where(x == 0, 1, x)


def _ratio(t: Array, ridge: Array) -> Array:
    return jnp.where(t + ridge > 0, t / _safe(t + ridge), 1)


@numeric
def group_lasso(
    strength: ScalarOrSchedule,
    axis: int | Sequence[int] = -1,
    *,
    labels: Labelling | None = None,
    size_weighted: bool = False,
) -> Regularizer:
    r""":math:`R(W) = λ \sum_g w_g \lVert W_g \rVert_2`, whose proximal map removes whole groups.

    .. math:: \operatorname{prox}(z)_g = (1 - λ w_g/(d \lVert z_g\rVert))_+\, z_g

    in a scalar metric d. In a diagonal one, :math:`x_i = d_i t z_i / (d_i t + λ w_g)` with t
    the root of :math:`\sum_i (d_i z_i / (d_i t + λ w_g))^2 = 1`, found to machine precision;
    0 where :math:`\lVert D z_g \rVert ≤ λ w_g`.

    Args:
      strength: λ ≥ 0, a scalar or a schedule.
      axis: the axis, or axes, whose every index is a group; -1 for the output
        channels of a kernel, -2 for its inputs, () for the whole array.
      labels: instead of an axis, a function from an array's shape to the integer
        label, from 0, of each of its elements.
      size_weighted: weigh a group by the root of its size, :math:`w_g = \sqrt{n_g}`.

    Raises:
      ValueError: a negative strength; later, an axis or labels that do not fit an array.

    Yuan & Lin, *Model selection and estimation in regression with grouped variables*,
    2006; Deleu & Bengio, arXiv 2102.03869.

    >>> import jax.numpy as jnp
    >>> kernel = jnp.array([[3.0, 0.1], [4.0, 0.1]])
    >>> group_lasso(1.0).prox(kernel).tolist()
    [[2.4000000953674316, 0.0], [3.200000047683716, 0.0]]
    """
    axes = numbers.axes("group_lasso", "axis", axis)
    return penalty(GroupLasso(axes, labels, size_weighted), strength, name="group_lasso")


@numeric
def sparse_group_lasso(
    l1_strength: ScalarOrSchedule,
    group_strength: ScalarOrSchedule,
    axis: int | Sequence[int] = -1,
    *,
    labels: Labelling | None = None,
    size_weighted: bool = False,
) -> Regularizer:
    r""":math:`R(W) = λ_1 \lVert W\rVert_1 + λ_2 \sum_g w_g \lVert W_g\rVert_2`.

    Its proximal map is soft thresholding, then that of the group lasso.

    Args:
      l1_strength, group_strength: λ₁, λ₂ ≥ 0, scalars or schedules.
      axis, labels, size_weighted: see :func:`group_lasso`.

    Raises:
      ValueError: as for :func:`group_lasso`.

    Simon et al., *A sparse-group lasso*, 2013.

    >>> import jax.numpy as jnp
    >>> sparse_group_lasso(1.0, 1.0).prox(jnp.array([[4.0, 1.5], [5.0, 0.5]])).tolist()
    [[2.4000000953674316, 0.0], [3.200000047683716, 0.0]]
    """
    groups = group_lasso(group_strength, axis, labels=labels, size_weighted=size_weighted)
    return l1(l1_strength) + groups
