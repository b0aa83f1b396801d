"""Transformations without memory: of a function, and such as repair a step."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import optax

from regopt_jax import _trees
from regopt_jax._core import GradientTransformation
from regopt_jax._leafwise import leafwise, unit_metric
from regopt_jax._trees import Array, PyTree


def stateless(f: Callable[[PyTree, PyTree | None], PyTree]) -> GradientTransformation:
    """The transformation that a function of the updates and the parameters is.

    Args:
      f: ``f(updates, params) -> updates`` on trees; ``params`` may be ``None``.

    Raises:
      TypeError: ``f`` is not a function.

    >>> import jax, jax.numpy as jnp
    >>> tx = stateless(lambda updates, params: jax.tree.map(jnp.sign, updates))
    >>> tx.update(jnp.array([3.0, -0.5]), tx.init(jnp.zeros(2)))[0].tolist()
    [1.0, -1.0]
    """
    return _of_function("stateless", f, f)


def stateless_with_tree_map(f: Callable[[Any, Any], Any]) -> GradientTransformation:
    """The transformation that a function of one array and its parameter is.

    Args:
      f: ``f(update, param) -> update`` on arrays; ``param`` may be ``None``.

    Raises:
      TypeError: ``f`` is not a function.
      ValueError: (from ``update``) the trees differ; names the paths.

    >>> import jax.numpy as jnp
    >>> tx = stateless_with_tree_map(lambda u, p: jnp.sign(u))
    >>> tx.update(jnp.array([3.0, -0.5]), tx.init(jnp.zeros(2)))[0].tolist()
    [1.0, -1.0]
    """
    name = "stateless_with_tree_map"

    def on_trees(updates: PyTree, params: PyTree | None) -> PyTree:
        if params is None:
            return _trees.map_leaves(name, lambda u: f(u, None), updates)
        return _trees.map_leaves(name, f, updates, parameters=params)

    return _of_function(name, f, on_trees)


def _of_function(
    name: str, f: Any, on_trees: Callable[[PyTree, PyTree | None], PyTree]
) -> GradientTransformation:
    if not callable(f):
        raise TypeError(f"{name}: f must be a function of (updates, params), got {f!r}.")

    def init(params: PyTree) -> optax.EmptyState:
        _trees.check_inexact(name, params)
        return optax.EmptyState()

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **_: Any
    ) -> tuple[PyTree, optax.EmptyState]:
        return on_trees(updates, params), optax.EmptyState()

    return GradientTransformation(init, update, name=name, hyperparams={"f": f})


def zero_nans() -> GradientTransformation:
    """Replace what is not a number by zero; the state says for each array whether any was.

    >>> import jax.numpy as jnp
    >>> tx = zero_nans()
    >>> updates, state = tx.update(jnp.array([3.0, jnp.nan]), tx.init(jnp.zeros(2)))
    >>> updates.tolist(), bool(state.found_nan)
    ([3.0, 0.0], True)
    """

    def update(g: Array, found: Array) -> tuple[Array, Array]:
        bad = jnp.isnan(g)
        return jnp.where(bad, 0, g), jnp.any(bad)

    return leafwise(
        update,
        name="zero_nans",
        role="gradient",
        state=optax.ZeroNansState,
        init=lambda p: jnp.zeros([], bool),
        metric=unit_metric,
        elementwise=False,
    )


def keep_params_nonnegative() -> GradientTransformation:
    r"""Shorten the steps that would take a parameter below zero, so that they end there.

    .. math:: u = \max(g, -W)

    It is the last of a chain. A parameter that is negative already moves to zero.

    >>> import jax.numpy as jnp
    >>> tx, w = keep_params_nonnegative(), jnp.array([1.0, 1.0])
    >>> tx.update(jnp.array([0.5, -3.0]), tx.init(w), w)[0].tolist()
    [0.5, -1.0]
    """
    return leafwise(
        lambda g, p: jnp.where(p + g < 0, -p, g),
        name="keep_params_nonnegative",
        role="regularizer",
        metric=unit_metric,
        needs_params=True,
    )
