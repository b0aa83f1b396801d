"""A whole training step (forward, backward, update) of the demo's network."""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import regopt_jax as ro
from benchmarks.contenders import Contender
from regopt_jax.demo.model import CNN

BATCH = 64


def _problem() -> tuple[Any, Any, Any]:
    model = CNN()
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.normal(size=(BATCH, 28, 28, 1)), jnp.float32)
    labels = jnp.asarray(rng.integers(10, size=BATCH))
    params = model.init(jax.random.key(0), images)["params"]

    def loss(params: Any, images: Any, labels: Any) -> Any:
        logits = model.apply({"params": params}, images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    return params, loss, (images, labels)


def ours() -> Contender:
    """regopt_jax's ``train_step``."""
    params, loss, batch = _problem()
    tx = ro.recommended(10_000)
    step = ro.train_step(loss, tx)
    box = [ro.TrainState.create(params, tx)]

    def run() -> None:
        box[0], metrics = step(box[0], *batch)
        jax.block_until_ready((box[0], metrics))

    begin = time.perf_counter()
    run()
    return Contender(run, compile_s=time.perf_counter() - begin)


def optax_(donate: bool) -> Contender:
    """The same chain of Optax's in a plain ``jit``."""
    params, loss, batch = _problem()
    schedule = optax.warmup_cosine_decay_schedule(0.0, 1e-3, 500, 10_000)

    def mask(tree: Any) -> Any:
        return jax.tree.map(lambda x: x.ndim >= 2, tree)

    tx = optax.chain(
        optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=0.05, mask=mask)
    )

    def step(params: Any, state: Any, *batch: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(params, *batch)
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value, optax.tree.norm(grads)

    compiled = jax.jit(step, donate_argnums=(0, 1) if donate else ())
    box = [params, tx.init(params)]

    def run() -> None:
        *box[:], value, norm = compiled(*box, *batch)
        jax.block_until_ready((box, value, norm))

    begin = time.perf_counter()
    run()
    return Contender(run, compile_s=time.perf_counter() - begin)
