"""What the fuzzer draws: rows in wrappers, hyperparameters of any size, ugly trees."""

import inspect

import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

import regopt_jax as ro
from regopt_jax._core.arguments import kinds
from tests.cases import PRINCIPAL
from tests.laws.runs import Layer

BLOCKS = {
    case.name: case
    for case in PRINCIPAL
    if not (case.random or case.extra_args or case.theirs_inside or case.searches)
}
NUMBERS = [
    0, 1, 2, 3, -1, 7, 2**31 - 1, 2**40, 0.0, 0.1, 0.5, 0.9, 0.999, 1.0, 1 - 2**-24, 1.5, -0.1,
    1e-8, 1e-30, 1e-45, 1e30, float("inf"), -float("inf"), float("nan"), True, None,
    np.float32(0.5), np.int64(2), np.float64(0.25), jnp.float32(0.25),
]  # fmt: skip
WRAPPERS = {
    "accumulate": lambda tx: ro.accumulate(tx, 2),
    "apply_if_finite": ro.apply_if_finite,
    "cautious": lambda tx: ro.cautious(tx, descent=True),
    "flatten": ro.flatten,
    "params_ema": lambda tx: ro.chain(tx, ro.params_ema(0.9)),
    "masked": lambda tx: ro.masked(tx, ro.select(min_ndim=1, required=False)),
    "partition": lambda tx: ro.partition(
        {"a": tx, "b": ro.sgd(0.1)}, ro.label_by({"a": ro.select(min_ndim=1, required=False)}, "b")
    ),
    "proximal": lambda tx: ro.proximal(ro.chain(tx, ro.sgd(0.1)), ro.l1(0.1)),
    "coupled": lambda tx: ro.regularize(ro.chain(tx, ro.sgd(0.1)), ro.l2(0.1), how="coupled"),
    "decoupled": lambda tx: ro.regularize(ro.chain(tx, ro.sgd(0.1)), ro.l1(0.1), how="decoupled"),
    "schedule_free": lambda tx: ro.schedule_free(tx, 0.1),
    "stored": lambda tx: ro.stored(tx, lambda x: x.astype(jnp.bfloat16), lambda x, t: x.astype(t)),
}


def numbers_of(case):
    """The names of its hyperparameters that are single numbers."""
    function = inspect.unwrap(case.make.func)
    return sorted(name for name, kind in kinds(function).items() if len(kind) == 1)


@st.composite
def calls(draw):
    """The name of a row, and some of its hyperparameters exchanged for any numbers."""
    row = draw(st.sampled_from(sorted(BLOCKS)))
    names = numbers_of(BLOCKS[row]) or ["none"]
    names = draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    return row, {name: draw(st.sampled_from(NUMBERS)) for name in names if name != "none"}


def shapes():
    return st.sampled_from([(), (1,), (3,), (0,), (2, 3), (3, 2), (1, 1), (2, 0), (2, 1, 3)])


@st.composite
def trees(draw):
    """Parameters, and gradients for two steps; some without one."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    dtypes = draw(
        st.sampled_from([["float32"], ["bfloat16"], ["float16"], ["float32", "bfloat16"]])
    )
    size = draw(st.sampled_from([1.0, 1.0, 1e-6, 1e-20, 1e3, 1e20]))

    def leaf():
        kind = draw(st.sampled_from(["float"] * 6 + ["none", "int"]))
        if kind == "none":
            return None, None
        shape, dtype = draw(shapes()), jnp.dtype(draw(st.sampled_from(dtypes)))
        if kind == "int":
            return jnp.ones(shape, jnp.int32), None
        g = rng.normal(size=shape) * size
        g = np.where(rng.random(shape) < 0.2, 0.0, g)
        params = jnp.asarray(rng.normal(size=shape), dtype)
        return params, jnp.asarray(np.clip(g, *limits(dtype)), dtype)

    leaves = [leaf() for _ in range(4)]
    kind = draw(st.sampled_from(["dict", "list", "layer", "leaf", "nothing"]))
    build = {
        "dict": lambda a, b, c, d: {"a": a, "b/c": {"d": b, "e": (c, d)}},
        "list": lambda a, b, c, d: [a, (b, [c]), d],
        "layer": lambda a, b, c, d: {"x": Layer(a, b), "y": (c, d)},
        "leaf": lambda a, *_: a,
        "nothing": lambda *_: {"a": None, "b": ()},
    }[kind]
    return build(*(p for p, _ in leaves)), build(*(g for _, g in leaves))


def limits(dtype):
    top = float(jnp.finfo(dtype).max) / 4
    return -top, top
