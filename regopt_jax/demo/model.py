"""A compact convolutional network, its loss and its accuracy."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from regopt_jax.demo.data import CLASSES, Split

Params = Any
CHUNK = 1000


class CNN(nn.Module):
    """Two 3x3 convolutions with max pooling, then two dense layers."""

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        """Logits ``(n, 10)`` of images ``(n, height, width, 1)``."""
        x = images
        for features in (16, 32):
            x = nn.relu(nn.Conv(features, (3, 3))(x))
            x = nn.max_pool(x, (2, 2), strides=(2, 2))  # type: ignore[no-untyped-call]
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(nn.Dense(128)(x))
        return nn.Dense(CLASSES)(x)


def init_params(seed: int, images: np.ndarray) -> Params:
    """The float32 parameters before training."""
    return CNN().init(jax.random.key(seed), images[:1])["params"]


def loss_fn(params: Params, images: jax.Array, labels: jax.Array) -> tuple[jax.Array, Any]:
    """The mean cross-entropy of a batch; beside it, itself and the accuracy."""
    losses, correct = _scores(params, images, labels)
    loss = jnp.mean(losses)
    return loss, {"loss": loss, "accuracy": jnp.mean(correct)}


def _scores(params: Params, images: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    logits: Any = CNN().apply({"params": params}, images)
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return losses, (jnp.argmax(logits, axis=-1) == labels).astype(jnp.float32)


def evaluator() -> Callable[[Params, Split], tuple[float, float]]:
    """A function ``(params, split) -> (mean loss, accuracy)``, in chunks of one shape."""
    scores = jax.jit(_scores)

    def evaluate(params: Params, split: Split) -> tuple[float, float]:
        loss = accuracy = 0.0
        size = min(CHUNK, len(split))
        for start in range(0, len(split), size):
            # The last chunk begins early rather than being shorter, which would compile again.
            begin = min(start, len(split) - size)
            chunk = slice(begin, begin + size)
            losses, correct = scores(params, split.images[chunk], split.labels[chunk])
            loss += float(np.sum(np.asarray(losses[start - begin :], np.float64)))
            accuracy += float(np.sum(np.asarray(correct[start - begin :], np.float64)))
        return loss / len(split), accuracy / len(split)

    return evaluate
