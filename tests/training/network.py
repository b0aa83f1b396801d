"""A small network, and the kinds of chains that a step has to carry everywhere."""

import jax.numpy as jnp
import numpy as np

import regopt_jax as ro

RNG = np.random.default_rng(0)
KERNELS = ro.select("**/kernel")


def normal(*shape):
    """In NumPy: a process may import this before it says how many devices there are."""
    return RNG.normal(size=shape).astype(np.float32)


X = normal(32, 16)
Y = np.sin(X)
PARAMS = {
    "hidden": {"kernel": normal(16, 8), "bias": normal(8)},
    "out": {"kernel": normal(8, 16), "bias": normal(16)},
}


def loss(params, x, y):
    hidden, out = params["hidden"], params["out"]
    x = jnp.tanh(x @ hidden["kernel"] + hidden["bias"][None])
    return jnp.mean(jnp.square(x @ out["kernel"] + out["bias"][None] - y))


def clipped_adamw():
    schedule = ro.warmup_cosine_decay_schedule(0.0, 0.02, 2, 20)
    return ro.chain(ro.clip_by_global_norm(0.5), ro.adamw(schedule, mask=KERNELS))


CHAINS = {
    "clipped adamw": clipped_adamw,
    "proximal": lambda: ro.proximal(ro.adam(0.02), ro.l1(0.05).on(KERNELS)),
    "group lasso": lambda: ro.proximal(ro.adam(0.02), ro.group_lasso(0.05).on(KERNELS)),
    "partition": lambda: ro.partition(
        {"matrices": ro.lion(0.01), "vectors": ro.sgd(0.02, momentum=0.9)},
        ro.label_by({"matrices": KERNELS}, default="vectors"),
    ),
    "accumulate": lambda: ro.accumulate(clipped_adamw(), 2),
    "muon": lambda: ro.muon(0.02),
    "shampoo": lambda: ro.shampoo(0.02),
}


def halves(steps):
    """Batches that differ from step to step: in turn the two halves of the data."""
    return [(X[i % 2 :: 2], Y[i % 2 :: 2]) for i in range(steps)]
