"""Descending a given loss: the way there, and how many steps it takes."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

import regopt_jax as ro
from regopt_jax._core import ArrayLike

Loss = Callable[[jax.Array], jax.Array]


def trajectory(
    tx: optax.GradientTransformation, loss: Loss, start: jax.Array, steps: int
) -> jax.Array:
    """The points ``(steps + 1, n)`` that are visited, the start first."""

    def step(carry: Any, _: None) -> tuple[Any, jax.Array]:
        point, state = carry
        updates, state = tx.update(jax.grad(loss)(point), state, point)
        point = ro.apply_updates(point, updates)
        return (point, state), point

    points = jax.lax.scan(step, (start, tx.init(start)), length=steps)[1]
    return jnp.concatenate([start[None], points])


def steps_until(
    tx: optax.GradientTransformation,
    loss: Loss,
    start: jax.Array,
    reached: Callable[[jax.Array], jax.Array],
    limit: int,
) -> jax.Array:
    """How many steps until ``reached(point)``, or ``limit``."""

    def unfinished(carry: Any) -> jax.Array:
        point, _, count = carry
        return jnp.logical_not(reached(point)) & (count < limit)

    def step(carry: Any) -> Any:
        point, state, count = carry
        updates, state = tx.update(jax.grad(loss)(point), state, point)
        return ro.apply_updates(point, updates), state, count + 1

    begin = (start, tx.init(start), jnp.zeros([], jnp.int32))
    return jax.lax.while_loop(unfinished, step, begin)[2]


def directions(key: jax.Array, seeds: int, n: int) -> jax.Array:
    """Random points ``(seeds, n)`` at distance one from the origin."""
    x = jax.random.normal(key, (seeds, n))
    return x / jnp.linalg.norm(x, axis=-1, keepdims=True)


def quadratic(curvatures: ArrayLike, rotation: jax.Array | None = None) -> Loss:
    """½ Σ h_i x_i² in rotated coordinates x = Qᵀw, or the given ones."""
    h = jnp.asarray(curvatures)

    def loss(w: jax.Array) -> jax.Array:
        x = w if rotation is None else w @ rotation
        return 0.5 * jnp.sum(h * x**2)

    return loss
