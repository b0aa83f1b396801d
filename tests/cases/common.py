"""What the rows share."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tests.cases.case import Case
from tests.oracles import formulas


def both(name, ours, theirs, **rest):
    """A row whose variant has the same arguments in Optax."""
    keywords = rest.pop("hyperparams", {})
    return Case(name, partial(ours, **keywords), partial(theirs, **keywords), **rest)


def as_float(t):
    return t.astype(float) if isinstance(t, jax.Array) else float(t)


def cooling(t):
    """A schedule that ours, Optax, NumPy and PyTorch can all call."""
    return 0.1 / (1.0 + as_float(t))


def warming(t):
    return 0.01 * (1.0 + as_float(t))


def gradient(g, state, t):
    return g


def descent(g, state, t):
    return jax.tree.map(jnp.negative, g)


def scaled(tree, factor):
    """The mean gradient that a trace holds is (1-ρ)/(1-d) of it."""
    return jax.tree.map(lambda x: factor * x, tree)


def unbiased(tree, decay, t):
    return jax.tree.map(lambda m: m / (1 - decay**t), tree)


def torch_optimizer(name, **hyperparams):
    def build(weights):
        import torch

        return getattr(torch.optim, name)(weights, **hyperparams)

    return build


def every_third(step):
    return 3


def two_then_four(step):
    return jnp.where(step < 5, 2, 4)


def to_kernels(tree):
    """A mask by path that leaves ``None`` and masked nodes where they are."""
    return jax.tree.map_with_path(lambda path, _: "kernel" in jax.tree_util.keystr(path), tree)


def by_rank(tree):
    return jax.tree.map(lambda x: "matrix" if jnp.ndim(x) >= 2 else "vector", tree)


def is_matrix(w):
    return w.ndim >= 2


L1, L2 = 0.02, 0.1

# Why a step is not proportional to a gradient that stays the same.
OF_A_SIGN = "its metric is that of a sign"
AFTER_THE_STEP = "acts on what the step leaves"
NOISE = "adds noise"


def warmup_then_cosine(t):
    """The lecture's default over 60 steps, 5% of them warmup, with a peak of 0.01."""
    return 0.01 * (t / 3 if t < 3 else 0.5 * (1 + np.cos(np.pi * (t - 3) / 57)))


LION_WRONG = {"b1": 1.5, "b2": -0.1, "smooth_beta": 0.0, "mode": "soft"}
ROOT_WRONG = {"decay": 1.5, "eps": -1e-8, "initial_scale": -1.0}
ADAM_WRONG = {"b1": 1.0, "b2": -0.1, "eps": -1e-8, "eps_root": float("nan")}
WRONG_RATE = {"learning_rate": -0.1}


def adam_and_rate(**adam):
    return lambda: formulas.chain(formulas.adam(**adam), formulas.learning_rate(0.01))


def adam_decay_rate(decay, **adam):
    return lambda: formulas.chain(formulas.adam(**adam), decay, formulas.learning_rate(0.01))


def multi_steps(make, every_k, **rest):
    return lambda: optax.MultiSteps(make(), every_k, **rest).gradient_transformation()


OPTAX_ROOT = {"decay": 0.9, "eps": 1e-3, "eps_in_sqrt": True}
