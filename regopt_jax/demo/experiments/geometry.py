"""What the shapes of L1 and L2 do to weights, to zeros and to conditioning."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import regopt_jax as ro
from regopt_jax._core import PyTree
from regopt_jax.demo.experiments.descend import steps_until
from regopt_jax.demo.experiments.fit import KERNELS, Make, Task, fit, kernels, loss_fn, part

STRENGTHS = tuple(np.geomspace(1e-3, 3.0, 12).tolist())


class Corners(NamedTuple):
    """Whether a weight is exactly zero where a loss is least on a ball, ``(seeds, problems)``."""

    l1: jax.Array
    l2: jax.Array


def corners(seeds: int = 8, problems: int = 100) -> Corners:
    """Random quadratic losses of two weights, least on an L1 or L2 ball of half their minimum."""

    def solve(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        shape, place = jax.random.split(key)
        root = jax.random.normal(shape, (2, 2))
        minimum = jax.random.normal(place, (2,))

        def zero(ball: ro.Regularizer, size: jax.Array) -> jax.Array:
            def loss(w: jax.Array) -> jax.Array:
                return 0.5 * jnp.sum(((w - minimum / size) @ root) ** 2)

            solution = ro.fista(loss, ball, jnp.zeros(2), max_iter=200).params
            return jnp.any(solution == 0)

        return (
            zero(ro.l1_ball(0.5), jnp.sum(jnp.abs(minimum))),
            zero(ro.l2_ball(0.5), jnp.linalg.norm(minimum)),
        )

    keys = jax.random.split(jax.random.key(0), (seeds, problems))
    return Corners(*jax.jit(jax.vmap(jax.vmap(solve)))(keys))


class Copies(NamedTuple):
    """Weights of eight noisy copies of one cause, ``(seeds, strengths, 8)``, and their losses."""

    strengths: jax.Array
    l1: jax.Array
    l2: jax.Array
    l1_loss: jax.Array
    l2_loss: jax.Array


def copies(seeds: int = 8, strengths: tuple[float, ...] = STRENGTHS) -> Copies:
    """Regress a cause on eight copies of it that differ by noise, over strengths of L1 and L2."""
    values = jnp.asarray(strengths)

    def solve(key: jax.Array) -> tuple[jax.Array, ...]:
        cause, noise, error = jax.random.split(key, 3)
        z = jax.random.normal(cause, (40,))
        x = z[:, None] + 0.5 * jax.random.normal(noise, (40, 8))
        y = z + 0.5 * jax.random.normal(error, (40,))

        def loss(w: jax.Array) -> jax.Array:
            return 0.5 * jnp.mean((x @ w - y) ** 2)

        def weights(unit: ro.Regularizer) -> jax.Array:
            return jax.vmap(lambda s: ro.fista(loss, s * unit, jnp.zeros(8), tol=1e-5).params)(
                values
            )

        w1, w2 = weights(ro.l1(1.0)), weights(ro.l2(1.0))
        return w1, w2, jax.vmap(loss)(w1), jax.vmap(loss)(w2)

    keys = jax.random.split(jax.random.key(1), seeds)
    return Copies(values, *jax.jit(jax.vmap(solve))(keys))


def evenness(w: jax.Array) -> jax.Array:
    """‖w‖₁² / (n ‖w‖₂²): 1 if all n weights are equally large, 1/n if all but one are zero."""
    squares = jnp.sum(w**2, axis=-1)
    safe = jnp.where(squares > 0, squares, 1)
    return jnp.where(squares > 0, jnp.sum(jnp.abs(w), axis=-1) ** 2 / safe / w.shape[-1], jnp.nan)


class Shrinkage(NamedTuple):
    """What a regulariser made of a network; every array has one value per seed.

    Attributes:
      params: of the networks, ``(seeds, ...)``.
      norm: ‖w‖₂ of all kernels.
      largest: the largest |w|.
      even: :func:`evenness` of all kernels.
      zeros: the share of kernel weights that are exactly zero.
      test: accuracy.
    """

    params: PyTree
    norm: jax.Array
    largest: jax.Array
    even: jax.Array
    zeros: jax.Array
    test: jax.Array


def shrinkage(
    task: Task, *, seeds: int = 4, steps: int = 1000, l1: float = 1e-3, l2: float = 1e-2
) -> dict[str, Shrinkage]:
    """One network under no regulariser, L2, L1 in the loss, and L1 as a proximal map."""
    first, second = ro.l1(l1).on(KERNELS), ro.l2(l2).on(KERNELS)
    tx = ro.adam(3e-3)
    runs: dict[str, tuple[optax.GradientTransformation, ro.Regularizer | None]] = {
        "none": (tx, None),
        "L2": (tx, second),
        "L1 in the loss": (tx, first),
        "L1 proximal": (ro.proximal(tx, first), None),
    }
    results = {}
    for name, (made, penalty) in runs.items():
        loss = loss_fn if penalty is None else ro.penalize(loss_fn, penalty)
        done = part(fit(_always(made), jnp.zeros(1), task, seeds=seeds, steps=steps, loss=loss), 0)
        w = kernels(done.params)
        results[name] = Shrinkage(
            done.params,
            jnp.linalg.norm(w, axis=-1),
            jnp.max(jnp.abs(w), axis=-1),
            evenness(w),
            jnp.mean((w == 0).astype(jnp.float32), axis=-1),
            done.test,
        )
    return results


def _always(tx: optax.GradientTransformation) -> Make:
    return lambda _: tx


class Conditioning(NamedTuple):
    """Linear regression on digits under L2, ``(seeds, strengths)``.

    Attributes:
      strengths: λ.
      condition: κ of the Hessian XᵀX/n + λI.
      steps: of gradient descent at its best rate until the gradient is a thousandth.
      test: the accuracy of the sign of what the exact solution predicts.
    """

    strengths: jax.Array
    condition: jax.Array
    steps: jax.Array
    test: jax.Array


def conditioning(
    task: Task,
    *,
    strengths: tuple[float, ...] = (0.0, 1e-3, 1e-2, 1e-1, 1.0),
    seeds: int = 6,
    images: int = 300,
    limit: int = 20000,
) -> Conditioning:
    """Tell the digits from 5 on from those below by a line, from other images in each seed."""
    varied = np.flatnonzero(np.asarray(task.train.x).std(axis=0) > 0.3)
    train_x, test_x = task.train.x[:, varied], task.test.x[:, varied]
    train_y, test_y = (jnp.where(y >= 5, 1.0, -1.0) for y in (task.train.y, task.test.y))

    def run(key: jax.Array, strength: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        chosen = jax.random.choice(key, len(train_y), (images,), replace=False)
        x, y = train_x[chosen], train_y[chosen]

        def squares(w: jax.Array) -> jax.Array:
            return 0.5 * jnp.mean((x @ w - y) ** 2)

        loss = ro.penalize(squares, ro.l2(strength))
        start = jnp.zeros(len(varied))
        spectrum = jnp.linalg.eigvalsh(jax.hessian(loss)(start))
        tx = ro.sgd(2 / (spectrum[0] + spectrum[-1]))
        slope = jax.grad(loss)
        enough = 1e-3 * jnp.linalg.norm(slope(start))

        def reached(w: jax.Array) -> jax.Array:
            return jnp.linalg.norm(slope(w)) <= enough

        steps = steps_until(tx, loss, start, reached, limit)
        solution = jnp.linalg.solve(jax.hessian(loss)(start), -slope(start))
        right = jnp.sign(test_x @ solution) == test_y
        return spectrum[-1] / spectrum[0], steps, jnp.mean(right.astype(jnp.float32))

    keys = jax.random.split(jax.random.key(2), seeds)
    over_strengths = jax.vmap(run, in_axes=(None, 0))
    found = jax.jit(jax.vmap(over_strengths, in_axes=(0, None)))(keys, jnp.asarray(strengths))
    return Conditioning(jnp.asarray(strengths), *found)


class Coefficients(NamedTuple):
    """Coefficients ``(strengths, n)`` of a regression along strengths of L1 and L2."""

    names: list[str]
    strengths: jax.Array
    l1: jax.Array
    l2: jax.Array


def coefficients(count: int = 60) -> Coefficients:
    """The regularisation paths of scikit-learn's diabetes data."""
    from sklearn.datasets import load_diabetes

    data = load_diabetes(scaled=False)
    x = jnp.asarray((data.data - data.data.mean(0)) / data.data.std(0), jnp.float32)
    y = jnp.asarray((data.target - data.target.mean()) / data.target.std(), jnp.float32)
    strengths = jnp.geomspace(1.0, 1e-3, count)

    def loss(w: jax.Array) -> jax.Array:
        return 0.5 * jnp.mean((x @ w - y) ** 2)

    def along(unit: ro.Regularizer) -> jax.Array:
        def solve(regularizer: ro.Regularizer, start: jax.Array) -> jax.Array:
            return ro.fista(loss, regularizer, start, max_iter=3000).params

        return ro.regularization_path(solve, unit, strengths, jnp.zeros(x.shape[1]))

    return Coefficients(list(data.feature_names), strengths, along(ro.l1(1.0)), along(ro.l2(1.0)))
