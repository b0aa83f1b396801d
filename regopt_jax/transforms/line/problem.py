"""The loss along a direction: what a line search is given, and what it may ask."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, PyTree, arithmetic, matching, trees, vectors
from regopt_jax._core.tolerance import strict
from regopt_jax.transforms.norms import scaled


class Point(NamedTuple):
    """A step size, the loss there, and its slope along the direction."""

    size: Array
    value: Array
    slope: Array


class Line(NamedTuple):
    r"""The function :math:`η \mapsto L(W + η u)`.

    Attributes:
      who: the line search, in errors.
      loss: of the parameters alone.
      params, direction: W and u; where u has a leaf of ``None``, W stays.
      dtype: of step sizes and losses.
    """

    who: str
    loss: Callable[[PyTree], Any]
    params: PyTree
    direction: PyTree
    dtype: Any

    def number(self, x: ArrayLike) -> Array:
        """A number to compare with step sizes and losses."""
        return jnp.asarray(x).astype(self.dtype)

    def step(self, size: Array) -> PyTree:
        """The update of a size."""
        return matching.map_leaves(self.who, lambda u: scaled(u, size), self.direction)

    def value(self, size: Array) -> Array:
        """The loss after a step of a size."""
        return self.number(self.loss(vectors.apply_updates(self.params, self.step(size))))

    def look(self, size: Array) -> tuple[Point, PyTree]:
        """The loss and its slope after a step of a size, and the gradient there, as JAX has it."""
        there = vectors.apply_updates(self.params, self.step(size))
        value, grad = jax.value_and_grad(self.loss)(there)
        return Point(size, self.number(value), self.slope(conjugate(grad))), grad

    def slope(self, grad: PyTree) -> Array:
        """The derivative along the direction, from the direction in which the loss rises."""
        product = vectors.total(self.who, vectors.inner, self.direction, gradients=grad)
        return self.number(product)


def conjugate(tree: PyTree) -> PyTree:
    """The direction in which a loss rises, from the gradient as JAX has it, or back."""
    return jax.tree.map(lambda x: x.conj() if jnp.iscomplexobj(x) else x, tree)


def on_line(
    who: str, updates: PyTree, params: PyTree | None, extra: Mapping[str, Any]
) -> tuple[Line, Array, PyTree]:
    """The line, and ``value`` and ``grad`` at its start, from the arguments of an update.

    Raises:
      ValueError: no parameters.
      TypeError: ``value``, ``grad`` or ``value_fn`` is missing; an extra argument is none of
        those of ``value_fn``.
    """
    if params is None:
        raise matching.params_needed(who, updates)
    leaves, treedef = trees.flatten(updates)
    there = matching.align(who, "parameters", params, updates, treedef)
    matching.check_shapes(who, "parameter", updates, leaves, there)
    rest = dict(extra)
    value, grad, value_fn = (rest.pop(name, None) for name in ("value", "grad", "value_fn"))
    if value is None or grad is None or value_fn is None:
        raise TypeError(
            f"{who}: the loss is needed, at the parameters and as a function of them; call "
            "update(updates, state, params, value=loss, grad=gradient, value_fn=loss_fn)."
        )
    params = jax.tree.map(jnp.asarray, params)
    dtype = arithmetic.real_dtype(params)
    if strict():
        dtype = arithmetic.real_dtype((params, value))
    line = Line(who, _bound(who, value_fn, rest), params, updates, dtype)
    return line, line.number(value), grad


def _bound(who: str, value_fn: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    """``value_fn`` of the parameters alone, the other arguments given."""
    parameters = inspect.signature(value_fn).parameters
    every = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    unknown = [] if every else sorted(given.keys() - parameters.keys())
    if unknown:
        raise TypeError(
            f"{who}: Unexpected keyword arguments {unknown} of update: value_fn does not take "
            f"them. It takes {[*parameters][1:]}."
        )
    return lambda params: value_fn(params, **given)


def scalar_dtype(params: PyTree) -> Any:
    """The dtype of a line search's numbers in its state; in Optax's face, the first leaf's."""
    if strict():
        return arithmetic.real_dtype(params)
    return jnp.finfo(jnp.result_type(jax.tree.leaves(params)[0])).dtype
