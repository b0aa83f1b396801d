"""A sum of penalties on one array: its value, slope and proximal map, and which sums have one."""

import dataclasses
import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, vectors
from regopt_jax._core.show import shown
from regopt_jax.combine.select import Selector, everything
from regopt_jax.regularizers.penalties import Penalty


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Term:
    """One penalty at one strength on the leaves that one selector matches."""

    strength: Any
    penalty: Penalty = dataclasses.field(metadata={"static": True})
    where: Selector = dataclasses.field(metadata={"static": True})

    def __repr__(self) -> str:
        where = "" if self.where == everything else f".on({self.where})"
        return f"{shown(self.strength)} * {self.penalty}{where}"


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def value(penalty: Penalty, x: Array) -> Array:
    """r(x), whose derivative is the subgradient that the penalty chose, as at a corner of r."""
    return penalty.value(x)


@value.defjvp
def _slope(penalty: Penalty, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (x,), (tangent,) = primals, tangents
    out = value(penalty, x)
    with jax.numpy_dtype_promotion("standard"):
        slope = vectors.inner(penalty.grad(x), tangent)
    return out, slope.astype(out.dtype)


@functools.partial(jax.jit, static_argnames="exact")
def grad(x: Array, terms: list[Term], exact: bool) -> Array:
    """A subgradient of the sum; if ``exact``, in no wider dtype than that of ``x``."""
    strengths = [cast(term.strength, x) if exact else term.strength for term in terms]
    slopes = [s * term.penalty.grad(x) for s, term in zip(strengths, terms, strict=True)]
    return sum(slopes[1:], slopes[0]) if slopes else jnp.zeros_like(x)


@jax.jit
def prox(z: Array, terms: list[Term], metric: Array) -> Array:
    """The proximal map of a sum on one leaf, where it is known exactly.

    A quadratic is absorbed into the metric: ½d(x-z)² + ½λx² is, up to a constant,
    ½(d+λ)(x - dz/(d+λ))². The maps of the others apply one after the other.
    """
    quadratics = [term for term in terms if term.penalty.quadratic]
    others = [term for term in terms if not term.penalty.quadratic]
    if quadratics:
        total = sum(cast(term.strength, z) for term in quadratics)
        z = quadratics[0].penalty.prox(z, total, metric)
        metric = metric + total
    merged: dict[Penalty, Array] = {}
    for term in others:
        merged[term.penalty] = merged.get(term.penalty, 0) + cast(term.strength, z)
    for penalty in _in_order(list(merged)):
        z = penalty.prox(z, merged[penalty], metric)
    return z


def _in_order(penalties: list[Penalty]) -> tuple[Penalty, ...]:
    """The order in which the proximal maps of penalties compose to that of their sum."""
    for order in itertools.permutations(penalties):
        if all(a.precedes(b) for a, b in itertools.combinations(order, 2)):
            return order
    names = " + ".join(type(penalty).__name__ for penalty in penalties)
    raise ValueError(
        f"The proximal map of {names} on the same leaf has no known closed form. "
        "Restrict them to different leaves with .on(select(...)), or place one of them "
        "by coupled, decoupled or penalize."
    )


def cast(value: ArrayLike, x: Array) -> Array:
    """``value`` in the real dtype of ``x``."""
    return jnp.asarray(value, x.real.dtype)
