"""Trajectories of the rows on small, ugly trees, compiled once for each row and regime.

A trajectory is two halves of one compiled step, so that its middle is a state like any
other: to hand to the oracle, to save, to start from again.
"""

import contextlib
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import regopt_jax as ro
from regopt_jax.training.compile import known_options
from tests.cases import CASES, PRINCIPAL, Case
from tests.laws.compare import (
    close as close,
    epsilon as epsilon,
    exactly as exactly,
    narrower as narrower,
    same_bits as same_bits,
    ulps as ulps,
)
from tests.laws.rows import is_building_block

HALF = 30
STEPS = 2 * HALF
SHORT = 9  # past the second gradient that is not a number, and two steps of four
DEVICES = 8
BY_NAME = {case.name: case for case in CASES}

FLOAT32, FLOAT64, MIXED, COMPLEX = "float32", "float64", "mixed", "complex64"


@functools.cache
def as_users() -> dict[str, Any]:
    """The options by which XLA compiles for users, which ``tests/conftest.py`` sets otherwise.

    float64 and complex numbers prove the formula, the other dtypes the program.
    """
    return known_options({"xla_backend_optimization_level": 3, "xla_cpu_use_fusion_emitters": True})


class Layer(NamedTuple):
    kernel: Any
    bias: Any


class Steps(NamedTuple):
    """What every step returned, stacked."""

    updates: Any
    states: Any
    params: Any


def shapes(case: Case, regime: str) -> Any:
    """The tree: a scalar, vectors, a matrix, a 4-D kernel, an empty array, nothing at all."""

    def leaf(shape, dtype):
        return jax.ShapeDtypeStruct(shape, np.dtype(dtype))

    if regime == MIXED:
        return {
            "dense": Layer(leaf((8, 3), "float32"), leaf((8,), jnp.bfloat16)),
            "out": (leaf((3, 2), jnp.bfloat16),),
        }
    if regime == COMPLEX:
        return {
            "dense": Layer(leaf((2, 3), "complex64"), leaf((3,), "complex64")),
            "real": leaf((3,), "float32"),
        }
    tree = {
        "scalar": leaf((), regime),
        "dense": Layer(leaf((8, 3), regime), leaf((8,), regime)),
        "conv": (leaf((2, 2, 3, 8), regime),),
        "empty": leaf((0, 3), regime),
        "absent": None,
        "hidden": optax.MaskedNode(),
    }
    if regime == FLOAT64 and case.complex and not case.optax:
        tree["wave"] = leaf((8,), "complex128")
    return tree


def draw(shape, dtype, rng, spread) -> np.ndarray:
    x = rng.normal(size=shape)
    if np.issubdtype(dtype, np.complexfloating):
        x = x + 1j * rng.normal(size=shape)
    return x * 10.0 ** rng.uniform(-3 * spread, spread, size=shape)


@functools.lru_cache(maxsize=16)
def data(case: Case, regime: str, seed: int = 0):
    """Parameters and stacked gradients of many magnitudes, some of them zero."""
    rng = np.random.default_rng(seed)
    structs = shapes(case, regime)
    first = [True]

    def gradients(s):
        g = case.gradient_scale * draw((STEPS, *s.shape), s.dtype, rng, spread=0.7)
        if s.shape and g.size:
            flat = g.reshape(STEPS, -1)
            flat[:, 0] = 0
            flat[:3, 1] = 0
        if first[0] and g.size:
            g.reshape(STEPS, -1)[list(case.bad_steps), -1] = np.nan
            first[0] = False
        return g.astype(s.dtype)

    params = jax.tree.map(lambda s: draw(s.shape, s.dtype, rng, 0.3).astype(s.dtype), structs)
    return params, jax.tree.map(gradients, structs)


@contextlib.contextmanager
def session(regime: str, lenient: bool = False):
    """x64 where the regime needs it; Optax also relies on implicit promotion."""
    with contextlib.ExitStack() as stack:
        if regime == FLOAT64:
            stack.enter_context(jax.enable_x64(True))
        if lenient:
            stack.enter_context(jax.numpy_dtype_promotion("standard"))
            stack.enter_context(jax.numpy_rank_promotion("allow"))
        yield


def step(tx, apply_updates=ro.apply_updates):
    """``(params, state, gradients) -> (params, state), Steps``."""

    def one(params, state, gradients):
        updates, new = tx.update(gradients, state, params)
        # Optax's states may change dtype at the first step; ours must not.
        if apply_updates is optax.apply_updates:
            new = jax.tree.map(lambda n, o: jnp.asarray(n, o.dtype), new, state)
        params = apply_updates(params, updates)
        return (params, new), Steps(updates, new, params)

    return one


def scan(tx):
    """``(params, state, stacked gradients) -> (params, state)``."""

    def run(params, state, gradients):
        one = step(tx)
        return jax.lax.scan(lambda c, g: (one(*c, g)[0], None), (params, state), gradients)[0]

    return run


class Run:
    """One transformation in one regime: its compiled step and its whole trajectory."""

    def __init__(self, case: Case, regime: str, oracle: bool):
        self.regime, self.lenient = regime, oracle or case.theirs_inside
        self.tx = case.theirs() if oracle else case.ours()
        # In float64 both are formulas; else the oracle rounds as ours do, program by program.
        program = regime in (FLOAT32, MIXED)
        self.compiled = jax.jit(
            step(self.tx, optax.apply_updates if oracle else ro.apply_updates),
            compiler_options=as_users() if program else None,
        )
        params, gradients = data(case, regime)
        self.halves = [at(gradients, slice(a, a + HALF)) for a in (0, HALF)]
        with self.session():
            self.params = jax.tree.map(jnp.asarray, params)
            self.state = self.tx.init(self.params)
        self.middle, first = self.go(self.params, self.state, 0)
        self.end, self.second = self.go(*self.middle, 1)
        self.steps = jax.tree.map(lambda a, b: np.concatenate([a, b]), first, self.second)
        self.programs = self.compiled._cache_size()

    def session(self):
        return session(self.regime, self.lenient)

    def go(self, params, state, half):
        """Run one half from anywhere, with the program of the trajectory."""
        return self.follow(params, state, self.halves[half])

    def follow(self, params, state, gradients, compiled=None):
        """Run from anywhere, with another compiled step if one is given."""
        seen, compiled = [], compiled or self.compiled
        with self.session():
            for t in range(len(jax.tree.leaves(gradients)[0])):
                (params, state), one = compiled(params, state, at(gradients, t))
                seen.append(one)
            seen = jax.device_get(seen)
        return (params, state), jax.tree.map(lambda *xs: np.stack(xs), *seen)


# The laws of a row follow one another: its runs are kept, those of rows long past are not.
@functools.lru_cache(maxsize=16)
def _run(name: str, regime: str, oracle: bool) -> Run:
    return Run(BY_NAME[name], regime, oracle)


@functools.cache
def home(case: Case) -> str:
    """The regime of the laws that need only one: float32, but float64 for a variant or a chain.

    A variant differs from the first row of its name, and a chain from its parts, in what
    float64 tells most sharply, the formula; the dtypes are tried on that first row and on
    those parts, or are what the variant is about.
    """
    first = case in PRINCIPAL and is_building_block(case)
    return FLOAT32 if first or case.allow.optax_dtype is not None else FLOAT64


def ours(case: Case, regime: str) -> Run:
    return _run(case.name, regime, False)


def theirs(case: Case, regime: str) -> Run:
    return _run(case.name, regime, True)


def at(tree: Any, t: Any) -> Any:
    """One step, or a slice of them, of a stacked tree."""
    return jax.tree.map(lambda x: x[t], tree)


def after(run: Run, steps: int) -> tuple:
    """Parameters and state after that many steps."""
    return at(run.steps.params, steps - 1), at(run.steps.states, steps - 1)


def rounding(case: Case):
    """What float64 arithmetic in another order may change; an average in a narrow slot
    remembers the rounding of every step."""

    def tolerance(dtype):
        narrow = dtype
        if case.allow.optax_dtype is not None:
            narrow = narrower(dtype, case.allow.optax_dtype)
        return max(1e-10, case.allow.ulps * epsilon(narrow))

    return tolerance


def real_leaves(tree: Any) -> list:
    return [x for x in jax.tree.leaves(tree) if not np.iscomplexobj(x)]
