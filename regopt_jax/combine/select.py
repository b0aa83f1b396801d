"""Selectors: which leaves of a parameter tree, by the name of their path or their rank.

A selector is a function from a tree to a tree of booleans, so it serves as the
``mask`` of any transformation, ours or Optax's. Selectors combine by ``&``, ``|``, ``~``.
"""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from regopt_jax._core import PyTree, trees
from regopt_jax._core.made import Made, remake

Test = Callable[[str, Any], bool]


@dataclasses.dataclass(frozen=True, eq=False)
class Selector:
    """A named test of a leaf's path and value; call it on a tree for the mask.

    Selectors are equal if equal calls made them.

    Attributes:
      name: how it was made, for messages and descriptions.
      test: from the leaf's path, such as ``dense/kernel``, and the leaf.
      required: whether a tree in which it matches nothing is an error.
      made: the call that made it.
    """

    name: str
    test: Test
    required: bool = True
    made: Made = dataclasses.field(default_factory=lambda: Made("Selector"))

    def __call__(self, tree: PyTree) -> PyTree:
        """The tree of booleans.

        Raises:
          ValueError: nothing matches; lists the paths there are.
        """
        leaves, treedef = trees.flatten(tree)
        paths = trees.leaf_paths(tree)
        mask = [
            None if leaf is None else self.test(path, leaf)
            for path, leaf in zip(paths, leaves, strict=True)
        ]
        # Where a mask or a partition hides leaves, or some have no gradient, those may be meant.
        absent = [path for path, leaf in zip(paths, leaves, strict=True) if leaf is None]
        hidden = trees.has_masked_nodes(tree) or any(map(self._may_mean, absent))
        if self.required and paths and not any(mask) and not hidden:
            raise ValueError(f"{self.name} matches no leaf. There are: {', '.join(paths)}.")
        return treedef.unflatten(mask)

    def _may_mean(self, path: str) -> bool:
        """Whether a leaf that is absent, such as one without a gradient, would be selected."""
        try:
            return self.test(path, None)
        except (AttributeError, TypeError):  # the test asks for more than the path
            return True

    def __and__(self, other: "Selector") -> "Selector":
        return both(self, other)

    def __or__(self, other: "Selector") -> "Selector":
        return either(self, other)

    def __invert__(self) -> "Selector":
        return complement(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Selector) and self.made == other.made

    def __hash__(self) -> int:
        return hash(self.made)

    def __reduce__(self) -> Any:
        if self.made.function is None:
            return type(self), (self.name, self.test, self.required)
        return remake, (self.made.function, *self.made.call())

    def __repr__(self) -> str:
        return self.name


def both(a: Selector, b: Selector) -> Selector:
    """The leaves that both select: ``a & b``."""

    def test(path: str, x: Any) -> bool:
        return a.test(path, x) and b.test(path, x)

    made = Made("both", {"a": a, "b": b}, both)
    return Selector(f"({a.name} & {b.name})", test, a.required and b.required, made)


def either(a: Selector, b: Selector) -> Selector:
    """The leaves that one of them selects: ``a | b``."""

    def test(path: str, x: Any) -> bool:
        return a.test(path, x) or b.test(path, x)

    made = Made("either", {"a": a, "b": b}, either)
    return Selector(f"({a.name} | {b.name})", test, a.required and b.required, made)


def complement(a: Selector) -> Selector:
    """The leaves that it does not select: ``~a``."""
    made = Made("complement", {"a": a}, complement)
    return Selector(f"~{a.name}", lambda path, x: not a.test(path, x), a.required, made)


def all_leaves() -> Selector:
    """All leaves."""
    made = Made("all_leaves", {}, all_leaves)
    return Selector("everything", lambda path, x: True, required=False, made=made)


everything = all_leaves()


def select(
    pattern: str | Test | None = None,
    *,
    ndim: int | None = None,
    min_ndim: int | None = None,
    required: bool = True,
) -> Selector:
    """Select leaves that meet all of the given conditions.

    Args:
      pattern: a glob on the path with ``/`` between its parts, in which ``*`` stays
        within one part and ``**`` is any number of parts; or a predicate
        ``(path, leaf) -> bool``. A ``Variable`` of Flax NNX adds no part: its kernel is
        ``dense/kernel``.
      ndim: the number of axes.
      min_ndim: the smallest number of axes; 2 for matrices and kernels.
      required: whether a tree in which nothing matches is an error.

    Raises:
      ValueError: no condition given; and, when called on a tree, nothing matches.

    >>> import jax.numpy as jnp
    >>> import jax.numpy as jnp
    >>> params = {"dense": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}}
    >>> select("**/kernel")(params)
    {'dense': {'bias': False, 'kernel': True}}
    >>> select("**/weight")(params)
    Traceback (most recent call last):
    ...
    ValueError: select('**/weight') matches no leaf. There are: dense/bias, dense/kernel.
    """
    tests: list[Test] = []
    said: list[str] = []
    if isinstance(pattern, str):
        regex = _glob(pattern)
        tests.append(lambda path, x: regex.fullmatch(path) is not None)
        said.append(repr(pattern))
    elif pattern is not None:
        tests.append(pattern)
        said.append(getattr(pattern, "__name__", repr(pattern)))
    if ndim is not None:
        tests.append(lambda path, x: np.ndim(x) == ndim)
        said.append(f"{ndim=}")
    if min_ndim is not None:
        tests.append(lambda path, x: np.ndim(x) >= min_ndim)
        said.append(f"{min_ndim=}")
    if not tests:
        raise ValueError("select: give a pattern, a predicate, ndim or min_ndim.")
    given = {"pattern": pattern, "ndim": ndim, "min_ndim": min_ndim, "required": required}

    def test(path: str, x: Any) -> bool:
        return all(t(path, x) for t in tests)

    made = Made("select", given, select)
    return Selector(f"select({', '.join(said)})", test, required, made)


def _glob(pattern: str) -> re.Pattern[str]:
    parts = pattern.split("/")
    regex = ""
    for part in parts[:-1]:
        regex += "(?:[^/]+/)*" if part == "**" else f"{_within(part)}/"
    return re.compile(regex + (".*" if parts[-1] == "**" else _within(parts[-1])), re.DOTALL)


def _within(part: str) -> str:
    return re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
