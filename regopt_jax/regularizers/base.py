r"""Regularisers: weighted sums of penalties, each on the leaves it selects.

:math:`R(W) = \sum_i λ_i\, r_i(W|_{S_i})`. Every regulariser is kept in this form, so
adding, scaling and restricting are operations on a list of terms, and what the
library asks of it (its value, gradient, proximal map) is worked out term by term.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regopt_jax._core import (
    Array,
    ArrayLike,
    PyTree,
    ScalarOrSchedule,
    arithmetic,
    matching,
    numbers,
    trees,
    value_at,
)
from regopt_jax._core.lift import promoting
from regopt_jax._core.tolerance import strict
from regopt_jax.combine.choices import refuse_strings, resolve
from regopt_jax.combine.select import Selector, everything
from regopt_jax.regularizers.terms import Term, cast, grad, prox, value


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Regularizer:
    """A penalty on a parameter tree that can be added, scaled and restricted.

    Made by :func:`l1`, :func:`group_lasso` and others. It is a pytree whose leaves
    are its strengths, so it can be passed to jitted functions and ``vmap``-ped over.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> R = ro.l1(0.1).on(ro.select("w")) + 2 * ro.l2(0.5)
    >>> round(float(R.value({"w": jnp.array([1.0, -2.0]), "b": jnp.array(3.0)})), 4)
    7.3
    """

    terms: tuple[Term, ...]

    def value(self, params: PyTree) -> Array:
        """R(params), a real scalar in the widest dtype of its terms, at least float32."""
        total = jnp.zeros([], jnp.float32)
        with jax.numpy_dtype_promotion("standard"):
            for leaf, terms in self._by_leaf(params):
                wide = arithmetic.at_least_float32(leaf)
                for term in terms:
                    total = total + term.strength * value(term.penalty, wide)
        return total

    def grad(self, params: PyTree) -> PyTree:
        """A (sub)gradient of R: a tree like ``params``, zero where no term acts.

        It is also what ``jax.grad`` of :meth:`value` is.
        """

        def one(x: Array, terms: list[Term]) -> Array:
            slope = grad(arithmetic.at_least_float32(x), terms, exact=strict())
            return slope.astype(x.dtype) if strict() else slope

        return self._map(one, params)

    def prox(self, params: PyTree, metric: PyTree = 1.0) -> PyTree:
        r"""The proximal map, :math:`\arg\min_x \tfrac12 (x-z)^\top D (x-z) + R(x)` at z = params.

        Args:
          params: the point z.
          metric: the diagonal D > 0: a scalar, or a tree like ``params`` of arrays
            that broadcast to its leaves.

        Raises:
          ValueError: the proximal map of a sum is not known in closed form.
        """
        _, treedef = trees.flatten(params)
        spread = trees.spread(metric, params)
        by_leaf = iter(matching.align("prox", "metric", spread, params, treedef))

        def one(z: Array, terms: list[Term]) -> Array:
            wide = arithmetic.at_least_float32(z)
            return prox(wide, terms, cast(next(by_leaf), wide)).astype(z.dtype)

        def skipped(leaf: Any) -> Any:
            next(by_leaf)
            return leaf

        return self._map(one, params, skipped)

    def on(self, where: Selector) -> "Regularizer":
        """The same regulariser on the selected leaves only.

        Raises:
          ValueError: ``where`` is a string, not :func:`select` of one.
        """
        refuse_strings("on", where)
        return Regularizer(
            tuple(
                dataclasses.replace(
                    term, where=where if term.where == everything else term.where & where
                )
                for term in self.terms
            )
        )

    def at(self, count: ArrayLike) -> "Regularizer":
        """The regulariser at the update number ``count``: schedules become values."""
        return Regularizer(
            tuple(
                dataclasses.replace(term, strength=value_at(term.strength, count))
                for term in self.terms
            )
        )

    def masks(self, params: PyTree) -> list[list[Any]]:
        """For each term, which leaves it acts on.

        Raises:
          ValueError: a selector matches no leaf; lists the paths there are. A strength is an
            array of several numbers.
        """
        for term in self.terms:
            if strict() and np.ndim(term.strength) > 0:
                raise ValueError(
                    f"Regularizer: the strength of {term.penalty} must be one number, got an array "
                    f"of shape {np.shape(term.strength)}. Restrict regularisers of different "
                    "strengths to different leaves by .on(select(...)), or map over several "
                    "strengths by jax.vmap."
                )
        everywhere = [True] * len(trees.flatten(params)[0])
        return [
            everywhere
            if term.where == everything
            else trees.flatten(resolve("Regularizer", "mask", term.where, params))[0]
            for term in self.terms
        ]

    @property
    def scheduled(self) -> bool:
        """Whether a strength is a schedule."""
        return any(callable(term.strength) for term in self.terms)

    def __add__(self, other: "Regularizer") -> "Regularizer":
        if not isinstance(other, Regularizer):
            return NotImplemented
        return Regularizer(self.terms + other.terms)

    def __mul__(self, factor: ScalarOrSchedule) -> "Regularizer":
        numbers.check("Regularizer", factor=(factor, "[0, inf)"))
        return self.scaled(factor)

    __rmul__ = __mul__

    def scaled(self, factor: ScalarOrSchedule) -> "Regularizer":
        """Every strength times a factor of any sign, or a schedule of one."""
        return Regularizer(
            tuple(
                dataclasses.replace(term, strength=_times(term.strength, factor))
                for term in self.terms
            )
        )

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.terms))

    def _by_leaf(self, params: PyTree) -> list[tuple[Array, list[Term]]]:
        found = []
        self._map(lambda x, terms: found.append((x, terms)), params)
        return found

    def _map(
        self,
        function: Callable[[Array, list[Term]], Any],
        params: PyTree,
        skipped: Callable[[Any], Any] = lambda leaf: None,
    ) -> PyTree:
        """Apply ``function`` to each leaf that is trained and the terms that act on it."""
        if self.scheduled:
            raise ValueError(
                f"{self!r} has a schedule for a strength: take its value at a step, R.at(step)."
            )
        leaves, treedef = trees.flatten(params)
        masks = self.masks(params)
        out: list[Any] = []
        for i, leaf in enumerate(leaves):
            if not arithmetic.is_inexact(leaf):
                out.append(skipped(leaf))
                continue
            acting = [term for term, mask in zip(self.terms, masks, strict=True) if mask[i]]
            with promoting(leaf):
                out.append(function(jnp.asarray(leaf), acting))
        return treedef.unflatten(out)


def _times(strength: ScalarOrSchedule, factor: ScalarOrSchedule) -> ScalarOrSchedule:
    if callable(strength) or callable(factor):
        return lambda count: value_at(strength, count) * value_at(factor, count)
    return strength * factor


def require_regularizer(who: str, regularizer: Any) -> None:
    """Refuse what is no regulariser, such as a function that makes one."""
    if not isinstance(regularizer, Regularizer):
        called = getattr(regularizer, "__name__", None)
        hint = f" Did you forget to call {called}?" if callable(regularizer) and called else ""
        raise TypeError(
            f"{who}: expected a regulariser such as regopt_jax.l1(1e-4), got {regularizer!r}.{hint}"
        )
