r"""How much the gradients of single examples vary.

The sum of their squared distances from their mean is found in one pass over the batches: of n
batches of B examples each, :math:`S_n = S_{n-1} + s_n + δ^2 (n-1) B / n`, where s is that of the
last batch and δ the distance of its mean from that of those before (Chan, Golub & LeVeque).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from optax.experimental import aggregating

from regopt_jax._core import Array, GradientTransformation, PyTree, matching, trees
from regopt_jax._core.arithmetic import at_least_float32, cast_like, zeros_like
from regopt_jax._core.decorator import transformation
from regopt_jax._core.nature import Rule
from regopt_jax._core.protocol import primitive
from regopt_jax._core.tolerance import strict
from regopt_jax.experimental.aggregating.aggregator import as_aggregator
from regopt_jax.experimental.aggregating.examples import (
    check_examples,
    example_axes,
    get_batch_size_from_per_elt_updates,
)

State = aggregating.PerElementMeanAndSumSqDiffGradsState


class _Moments(NamedTuple):
    """Of one array: the mean, and the sum of squared distances from it."""

    mean: Array
    squares: Array


@transformation(accumulation_steps="integer [1, inf)")
def get_per_element_mean_and_sum_sq_diff_grads(
    per_elt_axis: int | Sequence[int] = 0, accumulation_steps: int = 1
) -> GradientTransformation:
    r"""The mean of the gradients of single examples, and how far they are from it.

    .. math:: \bar g = \frac 1N \sum_i g_i, \qquad S = \sum_i (g_i - \bar g)^2

    ``update`` returns a pair for :func:`process`: the mean, and a dictionary of S,
    ``sum_sq_diff_grads``, and of N, ``sample_size``.

    Args:
      per_elt_axis: the axis of the examples, or several.
      accumulation_steps: k ≥ 1; N are the examples of k calls, and all is zero at the others.

    Raises:
      ValueError: a hyperparameter out of its range; (from ``update``) a gradient without the
        axes, by path.
      TypeError: (from ``init``) a complex parameter, by path.

    >>> import jax.numpy as jnp
    >>> tx, w = get_per_element_mean_and_sum_sq_diff_grads(), jnp.array(0.0)
    >>> (mean, more), _ = tx.update(jnp.array([1.0, 3.0]), tx.init(w))
    >>> float(mean), float(more["sum_sq_diff_grads"]), more["sample_size"]
    (2.0, 2.0, 2)
    """
    name = "get_per_element_mean_and_sum_sq_diff_grads"
    axes = example_axes(name, per_elt_axis)

    def of_batch(g: Array) -> _Moments:
        g = at_least_float32(g)
        mean = jnp.mean(g, axis=axes, keepdims=True)
        return _Moments(mean.squeeze(axes), jnp.sum(jnp.square(g - mean), axis=axes))

    def joined(new: _Moments, mean: Array, squares: Array, n: Array, size: int) -> _Moments:
        distance = new.mean - mean
        factor = cast_like((n - 1) * size / n, new.mean)
        return _Moments(
            mean + distance / cast_like(n, new.mean), squares + new.squares + distance**2 * factor
        )

    def init(params: PyTree) -> Any:
        if strict():
            matching.check_real(name, params)
        if accumulation_steps == 1:
            return optax.EmptyState()
        mean, squares = (matching.map_leaves(name, zeros_like, params) for _ in range(2))
        return State(jnp.zeros([], jnp.int32), jnp.zeros([], bool), mean, squares)

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra: Any
    ) -> tuple[tuple[PyTree, dict[str, Any]], Any]:
        check_examples(name, updates, axes)
        size = get_batch_size_from_per_elt_updates(updates, per_elt_axis)
        leaves, treedef = trees.flatten(updates)

        def trees_of(moments: Sequence[_Moments | None]) -> list[PyTree]:
            each = [(None, None) if m is None else m for m in moments]
            return [treedef.unflatten([m[i] for m in each]) for i in range(2)]

        def out(moments: Sequence[PyTree], count: Any) -> tuple[PyTree, dict[str, Any]]:
            return moments[0], {"sum_sq_diff_grads": moments[1], "sample_size": count}

        with jax.numpy_dtype_promotion("standard"):
            of_one = [None if g is None else of_batch(g) for g in leaves]
            if accumulation_steps == 1:
                return out(trees_of(_in_dtypes(of_one, leaves)), size), state
            n = state.micro_step + 1
            ready = n == accumulation_steps
            means, squares = (
                matching.align(name, "state", tree, updates, treedef)
                for tree in (state.mean_grads, state.sum_sq_diff_grads)
            )
            of_all = [
                None if new is None else joined(new, mean, square, n, size)
                for new, mean, square in zip(of_one, means, squares, strict=True)
            ]
        whole = trees_of(_in_dtypes(of_all, means))

        def where(condition: Array, tree: PyTree) -> PyTree:
            return jax.tree.map(lambda x: jnp.where(condition, x, jnp.zeros_like(x)), tree)

        left = State(where(~ready, n), ready, *where(~ready, whole))
        return out(where(ready, whole), where(ready, size * n)), left

    return as_aggregator(primitive(init, update, Rule("gradient")))


def _in_dtypes(moments: Sequence[_Moments | None], like: Sequence[Any]) -> list[_Moments | None]:
    """Where we are strict, in the dtypes of what they are of; in Optax's face as promoted."""
    return [
        m if m is None or not strict() else _Moments(*(x.astype(g.dtype) for x in m))
        for m, g in zip(moments, like, strict=True)
    ]
