"""Transformations that are functions of the updates and the parameters."""

from collections.abc import Callable
from typing import Any

import optax

from regopt_jax._core import GradientTransformation, PyTree, matching, transformation
from regopt_jax._core.nature import Rule
from regopt_jax._core.protocol import primitive


@transformation()
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
    return _of_function("stateless", f)


@transformation()
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
    _check_function(name, f)

    def on_trees(updates: PyTree, params: PyTree | None) -> PyTree:
        if params is None:
            return matching.map_leaves(name, lambda u: f(u, None), updates)
        return matching.map_leaves(name, f, updates, parameters=params)

    return _of_function(name, on_trees)


def _check_function(name: str, f: Any) -> None:
    if not callable(f):
        raise TypeError(f"{name}: f must be a function of (updates, params), got {f!r}.")


def _of_function(name: str, f: Callable[[PyTree, PyTree | None], PyTree]) -> GradientTransformation:
    _check_function(name, f)

    def init(params: PyTree) -> optax.EmptyState:
        return optax.EmptyState()

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **_: Any
    ) -> tuple[PyTree, optax.EmptyState]:
        return f(updates, params), optax.EmptyState()

    return primitive(init, update, Rule())
