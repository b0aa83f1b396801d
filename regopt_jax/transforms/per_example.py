"""Clipping the gradient of each example in a batch before they are summed."""

import math

import jax
import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, PyTree, abs_sq, numbers, trees
from regopt_jax._core.arithmetic import at_least_float32
from regopt_jax.transforms.norms import root


def per_example_global_norm_clip(grads: PyTree, l2_norm_clip: ArrayLike) -> tuple[PyTree, Array]:
    r"""The sum of the examples' gradients, each scaled down to a norm of at most c.

    .. math:: \sum_i g_i \min(1, c / \lVert g_i\rVert)

    Args:
      grads: arrays whose first axis is the examples'.
      l2_norm_clip: c ≥ 0, the largest norm of one example's gradients together.

    Returns:
      The sums, and how many examples were clipped.

    Raises:
      ValueError: a negative ``l2_norm_clip``, or an array without the examples' axis.

    Abadi et al., *Deep learning with differential privacy*, arXiv 1607.00133.

    >>> import jax.numpy as jnp
    >>> sums, clipped = per_example_global_norm_clip([jnp.array([[0.0, 0.5], [3.0, 4.0]])], 1.0)
    >>> sums[0].tolist(), int(clipped)
    ([0.6000000238418579, 1.2999999523162842], 1)
    """
    who = "per_example_global_norm_clip"
    numbers.check(who, l2_norm_clip=(l2_norm_clip, "[0, inf]"))
    check_examples(who, grads)
    sums, clipped = _clip(jax.tree.leaves(grads), l2_norm_clip)
    return jax.tree.unflatten(jax.tree.structure(grads), sums), clipped


def per_example_layer_norm_clip(
    grads: PyTree, global_l2_norm_clip: ArrayLike, uniform: bool = True
) -> tuple[PyTree, PyTree]:
    r"""The sum of the examples' gradients, each array of each scaled down on its own.

    .. math:: \sum_i g_{ij} \min(1, c_j / \lVert g_{ij}\rVert), \qquad c_j = c / \sqrt K
       \quad\text{or}\quad c_j = c \sqrt{D_j / D}

    Args:
      grads: K arrays whose first axis is the examples', of :math:`D_j` elements beside it.
      global_l2_norm_clip: c ≥ 0, the largest norm of one example's gradients together.
      uniform: the same bound for each array; else by its share of all D elements.

    Returns:
      The sums, and for each array how many examples were clipped.

    Raises:
      ValueError: a negative ``global_l2_norm_clip``, or an array without the examples' axis.

    McMahan et al., *Learning differentially private recurrent language models*,
    arXiv 1710.06963.

    >>> import jax.numpy as jnp
    >>> grads = {"a": jnp.array([[3.0, 4.0]]), "b": jnp.array([[0.5]])}
    >>> sums, clipped = per_example_layer_norm_clip(grads, 2**0.5)
    >>> [round(float(x), 4) for x in sums["a"]], sums["b"].tolist()
    ([0.6, 0.8], [0.5])
    >>> int(clipped["a"]), int(clipped["b"])
    (1, 0)
    """
    who = "per_example_layer_norm_clip"
    numbers.check(who, global_l2_norm_clip=(global_l2_norm_clip, "[0, inf]"))
    check_examples(who, grads)
    leaves, treedef = jax.tree.flatten(grads)
    sizes = [math.prod(g.shape[1:]) for g in leaves]
    shares = [1 / len(leaves) if uniform else size / sum(sizes) for size in sizes]
    results = [
        _clip([g], global_l2_norm_clip * share**0.5)
        for g, share in zip(leaves, shares, strict=True)
    ]
    sums = jax.tree.unflatten(treedef, [total for (total,), _ in results])
    return sums, jax.tree.unflatten(treedef, [clipped for _, clipped in results])


def _clip(leaves: list[Array], bound: ArrayLike) -> tuple[list[Array], Array]:
    """The sums over the first axis, within a norm for each index of it, and those beyond it."""
    floats = [g if jnp.issubdtype(g.dtype, jnp.inexact) else g.astype(float) for g in leaves]
    factors, beyond = clipping_factors(floats, bound)
    return [weighted_sum(factors, g).astype(g.dtype) for g in floats], jnp.sum(beyond)


def clipping_factors(leaves: list[Array], bound: ArrayLike) -> tuple[Array, Array]:
    """For each index of the first axis, the factor to a norm within the bound, and if it is < 1."""
    with jax.numpy_dtype_promotion("standard"):
        squares = [
            jnp.sum(abs_sq(at_least_float32(g)).reshape(g.shape[0], -1), axis=1) for g in leaves
        ]
        norms = root(sum(squares[1:], start=squares[0]))
        beyond = norms > bound
        return jnp.where(beyond, bound / jnp.where(beyond, norms, 1), 1), beyond


def weighted_sum(factors: Array, g: Array) -> Array:
    """The sum over the first axis, of which each index has a factor; in float32 or wider."""
    with jax.numpy_dtype_promotion("standard"):
        return jnp.tensordot(factors, g, axes=1)


def check_examples(who: str, grads: PyTree) -> None:
    """Refuse gradients that differ in the length of a first axis, by path."""
    leaves = jax.tree.leaves(grads)
    if not leaves:
        raise ValueError(f"{who}: there are no gradients.")
    examples = jnp.shape(leaves[0])[:1]
    for path, g in jax.tree.leaves_with_path(grads):
        if jnp.ndim(g) == 0 or jnp.shape(g)[:1] != examples:
            raise ValueError(
                f"{who}: the gradients need the examples as their first axis, as many in each; "
                f"the one at '{trees.path_string(path)}' has shape {jnp.shape(g)}."
            )
