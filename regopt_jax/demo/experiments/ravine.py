"""Ill-conditioned losses: who oscillates, who crawls, and how the steps grow with κ."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

import regopt_jax as ro
from regopt_jax.demo.experiments.descend import directions, quadratic, steps_until, trajectory

OPTIMIZERS: dict[str, Callable[[Any], optax.GradientTransformation]] = {
    "sgd": ro.sgd,
    "momentum": lambda rate: ro.sgd(rate, momentum=0.9),
    "rmsprop": lambda rate: ro.rmsprop(rate, decay=0.9),
    "adam": ro.adam,
}


class Ways(NamedTuple):
    """The best of many learning rates in a ravine: the one with the fewest steps ``needed``.

    Attributes:
      rate: that learning rate.
      points: ``(seeds, steps + 1, n)``, in the axes of the weights.
      losses: ``(seeds, steps + 1)``, relative to the start's.
      needed: the steps after which the loss stays below a hundredth, ``(seeds,)``.
    """

    rate: float
    points: jax.Array
    losses: jax.Array
    needed: jax.Array


def _starts(key: jax.Array, seeds: int, condition: float) -> jax.Array:
    """Points on the contour ½ of ½(x₁²/κ + x₂²) where neither term is below a quarter of it."""
    angle_key, quadrant_key = jax.random.split(key)
    angle = jax.random.uniform(angle_key, (seeds,), minval=jnp.pi / 6, maxval=jnp.pi / 3)
    signs = jax.random.rademacher(quadrant_key, (seeds, 2)).astype(jnp.float32)
    place = jnp.stack([jnp.sqrt(condition) * jnp.cos(angle), jnp.sin(angle)], axis=-1)
    return signs * place


def ravine_ways(
    condition: float = 50.0, *, turned: bool = False, seeds: int = 16, steps: int = 100
) -> dict[str, Ways]:
    """Each optimiser, at its best rate of 30, in a ravine along an axis or turned at random.

    The loss is ½(x₁²/κ + x₂²); the starts lie on one contour of it.
    """
    key, turn_key = jax.random.split(jax.random.key(3))
    starts = _starts(key, seeds, condition)
    angles = jax.random.uniform(turn_key, (seeds,), maxval=jnp.pi) * float(turned)
    c, s = jnp.cos(angles), jnp.sin(angles)
    rotations = jnp.stack([jnp.stack([c, -s], axis=-1), jnp.stack([s, c], axis=-1)], axis=-2)
    curvatures = jnp.array([1 / condition, 1.0])
    rates = jnp.geomspace(3e-3, 6.0, 30)

    def search(make: Callable[[Any], optax.GradientTransformation]) -> Ways:
        def way(rate: jax.Array, start: jax.Array, rotation: jax.Array) -> tuple[jax.Array, ...]:
            loss = quadratic(curvatures, rotation)
            points = trajectory(make(rate), loss, rotation @ start, steps)
            losses = jax.vmap(loss)(points)
            return points, losses / losses[0]

        over_seeds = jax.vmap(way, in_axes=(None, 0, 0))
        run = jax.jit(jax.vmap(over_seeds, in_axes=(0, None, None)))
        points, losses = run(rates, starts, rotations)
        above = jnp.logical_not(losses <= 0.01)
        needed = steps + 1 - jnp.argmax(above[..., ::-1], axis=-1)
        chosen = int(jnp.argmin(jnp.mean(needed.astype(jnp.float32), axis=-1)))
        return Ways(float(rates[chosen]), points[chosen], losses[chosen], needed[chosen])

    return {name: search(make) for name, make in OPTIMIZERS.items()}


class Oscillation(NamedTuple):
    """How SGD crosses the valley, ``(rates, seeds)``.

    Attributes:
      rates: as shares of the largest stable one, 2/L.
      flips: the share of steps on which the steep weight changes its sign.
      detour: the length of the way over the distance of its ends.
      loss: at the end, relative to the start's.
    """

    rates: jax.Array
    flips: jax.Array
    detour: jax.Array
    loss: jax.Array


def oscillation(condition: float = 50.0, *, seeds: int = 16, steps: int = 40) -> Oscillation:
    """SGD at several shares of its largest stable learning rate, in the same ravine."""
    shares = jnp.asarray([0.1, 0.2, 0.3, 0.4, 0.49, 0.51, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
    loss = quadratic(jnp.array([1 / condition, 1.0]))

    def run(share: jax.Array, start: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        points = trajectory(ro.sgd(2 * share), loss, start, steps)
        side = jnp.sign(points[:, 1])
        # Once a weight has underflowed to zero there is no valley left to cross.
        flips = jnp.sum(side[1:] * side[:-1] < 0) / jnp.sum(side[1:] != 0)
        length = jnp.sum(jnp.linalg.norm(jnp.diff(points, axis=0), axis=1))
        distance = jnp.linalg.norm(points[-1] - points[0])
        return flips, length / distance, loss(points[-1]) / loss(points[0])

    starts = _starts(jax.random.key(4), seeds, condition)
    over_seeds = jax.vmap(run, in_axes=(None, 0))
    return Oscillation(shares, *jax.jit(jax.vmap(over_seeds, in_axes=(0, None)))(shares, starts))


class Convergence(NamedTuple):
    """Steps until the distance is a thousandth of the start's, ``(seeds, conditions)``."""

    conditions: jax.Array
    steps: dict[str, jax.Array]


def convergence(
    conditions: tuple[float, ...] = (10.0, 32.0, 100.0, 320.0, 1000.0, 3200.0),
    *,
    seeds: int = 6,
    dimensions: int = 20,
    limit: int = 100_000,
) -> Convergence:
    r"""SGD and momentum on quadratics with eigenvalues from 1/κ to 1, evenly in the logarithm.

    ``sgd`` has its optimal rate 2/(L+μ); ``momentum`` Polyak's optimal rate
    :math:`4/(\sqrt L + \sqrt μ)^2` and ρ = :math:`((\sqrt κ-1)/(\sqrt κ+1))^2`;
    ``momentum 0.9`` keeps ρ = 0.9 and the rate 1/L.
    """
    kappa = jnp.asarray(conditions)
    starts = directions(jax.random.key(5), seeds, dimensions)

    def heavy_ball(k: jax.Array) -> optax.GradientTransformation:
        root = jnp.sqrt(k)
        return ro.sgd(4 / (1 + 1 / root) ** 2, momentum=((root - 1) / (root + 1)) ** 2)

    made: dict[str, Callable[[jax.Array], optax.GradientTransformation]] = {
        "sgd": lambda k: ro.sgd(2 / (1 + 1 / k)),
        "momentum": heavy_ball,
        "momentum 0.9": lambda k: ro.sgd(jnp.ones_like(k), momentum=0.9),
    }

    def counter(make: Callable[[jax.Array], optax.GradientTransformation]) -> Callable[..., Any]:
        def run(k: jax.Array, start: jax.Array) -> jax.Array:
            curvatures = k ** -jnp.linspace(0.0, 1.0, dimensions)
            far = 1e-3 * jnp.linalg.norm(start)
            return steps_until(
                make(k), quadratic(curvatures), start, lambda w: jnp.linalg.norm(w) <= far, limit
            )

        return jax.jit(jax.vmap(jax.vmap(run, in_axes=(0, None)), in_axes=(None, 0)))

    return Convergence(kappa, {name: counter(make)(kappa, starts) for name, make in made.items()})
