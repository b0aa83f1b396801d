"""One row for every public regulariser and its variants; tests/regularizers runs laws over all.

A new penalty needs an export and a row here.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

import regopt_jax as ro


def labels(shape):
    return np.arange(np.prod(shape)).reshape(shape) % 2


@dataclasses.dataclass(frozen=True, eq=False)
class PenaltyCase:
    """A row.

    Attributes:
      name: the public name, then after a dash what is special.
      make: the regulariser at a strength, which those that are 0 or infinite ignore.
      wrong: hyperparameters that must be refused, by the name in the error.
      convex: r is convex.
      diagonal: its proximal map is known in any diagonal metric, not in scalar ones only.
      shape: of the arrays it is tried on.
      smooth: differentiable away from the axes, and not infinite.
      shrinks_to_zero: its only minimiser is zero.
    """

    name: str
    make: Callable[[float], ro.Regularizer]
    wrong: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    convex: bool = True
    diagonal: bool = True
    shape: tuple[int, ...] = (2, 2)
    smooth: bool = True
    shrinks_to_zero: bool = True

    @property
    def public_name(self):
        return self.name.split("-")[0]

    @property
    def separable(self):
        return all(term.penalty.separable for term in self.make(1.0).terms)

    def __repr__(self):
        return self.name


@dataclasses.dataclass(frozen=True)
class OneOfOnesOwn(ro.Penalty):
    """r(x) = Σ x⁴/4, whose slope is worked out; its map solves λx³ + dx = dz (Cardano)."""

    even = True
    separable = True
    convex = True

    def value(self, x):
        return jnp.sum(jnp.abs(x) ** 4) / 4

    def prox(self, z, strength, metric):
        p, q = metric / strength, metric * jnp.abs(z) / strength
        root = 2 * jnp.sqrt(p / 3) * jnp.sinh(jnp.arcsinh(1.5 * q / p * jnp.sqrt(3 / p)) / 3)
        return jnp.where(jnp.asarray(strength) > 0, jnp.sign(z) * root, z)


def one_of_ones_own(strength):
    return ro.penalty(OneOfOnesOwn(), strength)


def within(name, make, **rest):
    """A set: no strength changes it."""
    return PenaltyCase(name, make, smooth=False, shrinks_to_zero=False, **rest)


NEGATIVE = {"strength": -1.0}

PENALTIES = [
    PenaltyCase("l1", ro.l1, NEGATIVE),
    PenaltyCase("l2", ro.l2, NEGATIVE),
    PenaltyCase(
        "elastic_net", lambda s: ro.elastic_net(s, 0.5 * s),
        {"l1_strength": -1.0, "l2_strength": -1.0},
    ),
    PenaltyCase("huber_l1", lambda s: ro.huber_l1(s, delta=0.3), {**NEGATIVE, "delta": 0.0}),
    PenaltyCase("l0", ro.l0, NEGATIVE, convex=False),
    PenaltyCase("l_half", ro.l_half, NEGATIVE, convex=False),
    PenaltyCase("l_two_thirds", ro.l_two_thirds, NEGATIVE, convex=False),
    PenaltyCase("group_lasso", ro.group_lasso, NEGATIVE),
    PenaltyCase("group_lasso-rows", lambda s: ro.group_lasso(s, axis=0, size_weighted=True)),
    PenaltyCase("group_lasso-labels", lambda s: ro.group_lasso(s, labels=labels)),
    PenaltyCase("sparse_group_lasso", lambda s: ro.sparse_group_lasso(0.5 * s, s)),
    PenaltyCase("group_lasso-l2", lambda s: ro.group_lasso(s) + ro.l2(0.5 * s)),
    PenaltyCase("nuclear_norm", ro.nuclear_norm, NEGATIVE, diagonal=False),
    PenaltyCase("penalty", one_of_ones_own, shrinks_to_zero=False),
    within("nonnegative", lambda s: ro.nonnegative()),
    within("box", lambda s: ro.box(-0.4, 0.7), wrong={"high": 0.0}),
    within("l2_ball", lambda s: ro.l2_ball(0.8), wrong={"radius": 0.0}, diagonal=False),
    within("l1_ball", lambda s: ro.l1_ball(0.8), wrong={"radius": 0.0}, diagonal=False),
    within("simplex", lambda s: ro.simplex(1.5), wrong={"total": -1.0}, diagonal=False),
    within("unit_columns", lambda s: ro.unit_columns(), diagonal=False, convex=False),
    PenaltyCase("l1-nonnegative", lambda s: ro.l1(s) + ro.nonnegative(), smooth=False),
    PenaltyCase(
        "l0-nonnegative", lambda s: ro.nonnegative() + ro.l0(s), convex=False, smooth=False
    ),
    PenaltyCase(
        "group_lasso-nonnegative", lambda s: ro.group_lasso(s) + ro.nonnegative(), smooth=False
    ),
    PenaltyCase(
        "l1-group_lasso-nonnegative",
        lambda s: ro.sparse_group_lasso(0.3 * s, s) + ro.nonnegative(), smooth=False,
    ),
    PenaltyCase("l1-box", lambda s: ro.l1(s) + ro.box(-0.5, 0.6), smooth=False),
    PenaltyCase("l1-l2-l1", lambda s: ro.l1(s) + ro.l2(s) + 0.5 * ro.l1(s)),
]  # fmt: skip
