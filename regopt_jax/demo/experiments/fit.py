"""Training a small network on real images for many settings and seeds at once.

A run takes milliseconds, and compiling a program seconds: so settings and seeds are axes
of one program, and a schedule is a table of learning rates, data rather than code.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import regopt_jax as ro
from regopt_jax._core import ArrayLike, PyTree, Schedule
from regopt_jax.demo.data import CLASSES, load

WIDTH = 32
KERNELS = ro.select("**/kernel")
Make = Callable[[Any], optax.GradientTransformation]


class Images(NamedTuple):
    """Standardised images, one in each row, and their labels."""

    x: jax.Array
    y: jax.Array


class Task(NamedTuple):
    """What to train on, to choose by and to report on: three disjoint sets of images."""

    train: Images
    validation: Images
    test: Images


class Fit(NamedTuple):
    """Trained networks; the first axes of every array are settings and seeds.

    Attributes:
      params: after the last step.
      losses: of each step's batch, before the step.
      train_loss: the mean cross-entropy of all training images, after the last step.
      validation: the accuracy on the validation images.
      test: the accuracy on the test images.
    """

    params: PyTree
    losses: jax.Array
    train_loss: jax.Array
    validation: jax.Array
    test: jax.Array


class Record(NamedTuple):
    """Parameters before each step of a training and their gradients, ``(seeds, steps, ...)``."""

    params: PyTree
    grads: PyTree


def digits(train_size: int = 600, flipped: float = 0.0) -> Task:
    """scikit-learn's 1797 digits: so many to train, half of the rest to choose by, half to test.

    Args:
      train_size: how many.
      flipped: the share of the training labels that are drawn anew, so that no network
        can be right about all of them for a reason, and gradients stay noisy.

    >>> [len(images.y) for images in digits(597)]
    [597, 600, 600]
    """
    data = load("digits")
    random = np.random.default_rng(0)
    order = random.permutation(len(data.train) + len(data.test))
    x = np.concatenate([data.train.images, data.test.images]).reshape(-1, 64)[order]
    y = np.concatenate([data.train.labels, data.test.labels])[order]
    wrong = np.flatnonzero(random.random(train_size) < flipped)
    y[wrong] = random.integers(0, CLASSES, len(wrong))
    ends = [train_size, (train_size + len(y)) // 2]
    parts = zip(np.split(x, ends), np.split(y, ends), strict=True)
    return Task(*(Images(jnp.asarray(images), jnp.asarray(labels)) for images, labels in parts))


def init(seed: int) -> PyTree:
    """A network of 64 inputs, one hidden layer and ten logits."""
    random = np.random.default_rng(seed)

    def dense(inputs: int, outputs: int, gain: float) -> PyTree:
        kernel = random.normal(0, np.sqrt(gain / inputs), (inputs, outputs))
        return {"kernel": jnp.asarray(kernel, jnp.float32), "bias": jnp.zeros(outputs)}

    return {"hidden": dense(64, WIDTH, 2.0), "out": dense(WIDTH, CLASSES, 1.0)}


def logits(params: PyTree, x: jax.Array) -> jax.Array:
    """The ten logits of each image."""
    hidden, out = params["hidden"], params["out"]
    x = jax.nn.relu(x @ hidden["kernel"] + hidden["bias"][None])
    return x @ out["kernel"] + out["bias"][None]


def loss_fn(params: PyTree, x: jax.Array, y: jax.Array) -> jax.Array:
    """The mean cross-entropy."""
    scores = jax.nn.log_softmax(logits(params, x))
    return -jnp.mean(jnp.take_along_axis(scores, y[:, None], axis=1))


def accuracy(params: PyTree, images: Images) -> jax.Array:
    """The share of images whose largest logit is their label's."""
    right = jnp.argmax(logits(params, images.x), axis=-1) == images.y
    return jnp.mean(right.astype(jnp.float32))


def fit(
    make: Make,
    settings: PyTree,
    task: Task,
    *,
    seeds: int = 4,
    steps: int = 300,
    batch_size: int = 32,
    loss: Callable[..., jax.Array] = loss_fn,
) -> Fit:
    """Train from each seed with each setting, on the same batches for every setting.

    Args:
      make: from one setting to the transformation; traced, so a setting may be any number.
      settings: a tree of arrays; their first axis runs over the settings.
      task: the images.
      seeds: of the initial weights and the batches.
      steps: in a run.
      batch_size: images in a step.
      loss: ``loss(params, x, y)``, what is descended.
    """

    def run(setting: Any, params: PyTree, batches: jax.Array) -> Fit:
        tx = make(setting)

        def step(carry: Any, batch: jax.Array) -> tuple[Any, jax.Array]:
            params, state = carry
            value, grads = jax.value_and_grad(loss)(
                params, task.train.x[batch], task.train.y[batch]
            )
            updates, state = tx.update(grads, state, params)
            return (ro.apply_updates(params, updates), state), value

        (params, _), losses = jax.lax.scan(step, (params, tx.init(params)), batches)
        return Fit(
            params,
            losses,
            loss_fn(params, *task.train),
            accuracy(params, task.validation),
            accuracy(params, task.test),
        )

    starts = _starts(len(task.train.y), seeds, steps, batch_size)
    over_seeds = jax.vmap(run, in_axes=(None, 0, 0))
    return jax.jit(jax.vmap(over_seeds, in_axes=(0, None, None)))(settings, *starts)


def record(
    tx: optax.GradientTransformation,
    task: Task,
    *,
    seeds: int = 4,
    steps: int = 200,
    batch_size: int = 32,
) -> Record:
    """Train once from each seed and keep the parameters and gradients of every step."""

    def run(params: PyTree, batches: jax.Array) -> Record:
        def step(carry: Any, batch: jax.Array) -> tuple[Any, Record]:
            params, state = carry
            grads = jax.grad(loss_fn)(params, task.train.x[batch], task.train.y[batch])
            updates, state = tx.update(grads, state, params)
            return (ro.apply_updates(params, updates), state), Record(params, grads)

        return jax.lax.scan(step, (params, tx.init(params)), batches)[1]

    return jax.jit(jax.vmap(run))(*_starts(len(task.train.y), seeds, steps, batch_size))


def replay(tx: optax.GradientTransformation, recorded: Record) -> PyTree:
    """The updates ``(seeds, steps, ...)`` that ``tx`` makes of the very same gradients."""

    def run(one: Record) -> PyTree:
        def step(state: Any, now: Record) -> tuple[Any, PyTree]:
            updates, state = tx.update(now.grads, state, now.params)
            return state, updates

        first = jax.tree.map(lambda x: x[0], one.params)
        return jax.lax.scan(step, tx.init(first), one)[1]

    return jax.jit(jax.vmap(run))(recorded)


def kernels(tree: PyTree) -> jax.Array:
    """All kernels of a tree, whatever axes lead, as one long last axis."""
    parts = [tree[name]["kernel"] for name in ("hidden", "out")]
    return jnp.concatenate([jnp.reshape(x, (*x.shape[:-2], -1)) for x in parts], axis=-1)


def table(schedule: Schedule, steps: int) -> jax.Array:
    """A schedule's values at every step, so that schedules can be settings of :func:`fit`."""
    return jnp.broadcast_to(jax.vmap(schedule)(jnp.arange(steps)), (steps,))


def from_table(values: jax.Array) -> Schedule:
    """The schedule that looks its values up."""
    return lambda count: values[jnp.asarray(count)]


def part(fits: Fit, which: int | slice) -> Fit:
    """Some of the settings."""
    return jax.tree.map(lambda x: x[which], fits)


def best(scores: ArrayLike) -> tuple[int, ...]:
    """The setting, a position in all axes but the last, with the best mean over seeds."""
    means = np.nan_to_num(np.asarray(scores).mean(axis=-1), nan=-np.inf)
    return tuple(int(i) for i in np.unravel_index(means.argmax(), means.shape))


def _starts(images: int, seeds: int, steps: int, batch_size: int) -> tuple[PyTree, jax.Array]:
    """Initial weights and batches; every image once in an epoch, in an order of the seed."""
    weights = [init(seed) for seed in range(seeds)]
    epochs = -(-steps * batch_size // images)
    orders = [
        np.concatenate(
            [np.random.default_rng((seed, 1, e)).permutation(images) for e in range(epochs)]
        )
        for seed in range(seeds)
    ]
    batches = np.stack(orders)[:, : steps * batch_size].reshape(seeds, steps, batch_size)
    return jax.tree.map(lambda *x: jnp.stack(x), *weights), jnp.asarray(batches, jnp.int32)
