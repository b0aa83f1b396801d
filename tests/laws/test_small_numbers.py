"""Laws of arithmetic: zero over zero is zero, and float16 does what float32 does."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np

from regopt_jax.transforms.norms import nonzero
from tests.laws import compare, runs
from tests.laws.rows import building_blocks, only, rows
from tests.laws.runs import FLOAT32, Layer

HALF = jnp.dtype("float16")
# The squares of these, and the usual ε, are below or above what float16 holds: 6e-8 to 65504.
GRADIENTS = (0.0, 1e-4, 5e-3, 0.0, 300.0)


def filled(value, dtype=np.float32):
    """Nothing is drawn; the last element is always zero."""

    def leaf(*shape):
        x = np.full(shape, value, np.float32)
        x.flat[-1] = 0
        return jnp.asarray(x, dtype)

    return {"dense": Layer(leaf(4, 3), leaf(3)), "scalar": leaf(1)}


def followed(case, gradients, dtype=np.float32, **hyperparams):
    """The updates of a few steps at fixed parameters, run operation by operation."""
    with runs.session(FLOAT32, case.theirs_inside), jax.disable_jit():
        tx, params = case.ours(**hyperparams), filled(1.0, dtype)
        state, updates = tx.init(params), []
        for value in gradients:
            update, state = tx.update(filled(value, dtype), state, params)
            updates.append(update)
    return updates


def epsilons(case):
    """Its hyperparameters like ε that may be 0, as zeros."""
    names = [n for n in inspect.signature(case.make.func).parameters if n.startswith("eps")]
    zeros = dict.fromkeys(names, (0.0, 0.001) if case.name == "torch.adafactor" else 0.0)
    try:
        case.make(**zeros)
    except ValueError as error:
        if "eps must be in (0, inf)" in str(error):
            return {}
        raise
    return zeros


@rows
@only(epsilons, "has no ε that may be 0")
def test_without_epsilon_zero_over_zero_is_zero(case):
    """A gradient that is zero, at first, later or in one element, does not end the run."""
    for update in followed(case, (0.0, 1.0, 0.0), **epsilons(case)):
        assert all(np.isfinite(u).all() for u in jax.tree.leaves(update)), update


def is_of_any_dtype(case):
    """Not Optax's own arithmetic, nor PyTorch's Adafactor, whose ε is that of the dtype."""
    others = case.theirs_inside or case.name == "torch.adafactor"
    return not others and not case.wide_updates


@building_blocks
@only(is_of_any_dtype, "computes as others do in the dtype")
def test_float16_does_what_float32_does(case):
    """To what is left of it in parameters of size 1, wherever float16 holds the update."""
    half, single = (followed(case, GRADIENTS, dtype) for dtype in (HALF, np.float32))
    for name, h, s in compare.pairs(half, single):
        assert h.dtype == HALF, name
        held = np.abs(s) < np.finfo(HALF).max
        largest = np.max(np.abs(s), where=held, initial=0)
        off = np.abs(np.where(held, h, 0) - np.where(held, s, 0))
        assert np.all(off <= compare.epsilon(HALF) * (1 + 10 * largest)), f"{name}: {h}, {s}"


def test_a_divisor_of_zero_is_infinite_of_either_kind():
    for dtype in (jnp.float16, jnp.bfloat16, jnp.float32, jnp.complex64):
        d = nonzero(jnp.array([0, 2], dtype))
        assert d.dtype == dtype
        assert (jnp.zeros(2, dtype) / d).tolist() == [0, 0]
