"""Every schedule against the formula in 60-digit arithmetic, over the whole range of counts."""

import itertools
import math
from decimal import Decimal, getcontext
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings, strategies as st

import regopt_jax as ro

getcontext().prec = 60
D = Decimal
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")
LAST = 2**31 - 1
EDGES = (0, 1, 2, 2**24 - 1, 2**24, 2**24 + 1, 2**24 + 2, LAST - 1, LAST)


def cos(x):
    total = term = Decimal(1)
    n = 0
    while abs(term) > Decimal("1e-58"):
        n += 2
        term *= -x * x / (n * (n - 1))
        total += term
    return total


def power(base, exponent):
    return D(1) if exponent == 0 else D(base) ** D(exponent)


def polynomial(A, E, p, T, B=0):
    def at(t):
        left = D(T - min(max(t - B, 0), T)) / D(T)
        return D(E) + (D(A) - D(E)) * power(left, p)

    return at


def cosine(A, T, a=0.0, p=1.0):
    def at(t):
        half = (1 + cos(PI * min(t, T) / T)) / 2 if t < T else D(0)
        return D(A) * ((1 - D(a)) * power(half, p) + D(a))

    return at


def exponential(A, T, rate, B=0, staircase=False, end=None):
    def at(t):
        share = D(max(t - B, 0)) / D(T)
        share = share.to_integral_value("ROUND_FLOOR") if staircase else share
        value = D(A) * power(rate, min(share, D(10**6)) if rate > 1 else share)
        if end is None:
            return value
        return max(value, D(end)) if rate < 1 else min(value, D(end))

    return at


def piecewise(A, scales):
    def at(t):
        return D(A) * math.prod([D(f) for b, f in scales.items() if b <= t], start=D(1))

    return at


def restarts(A, T, m=1, q=1.0, a=0.0):
    def at(t):
        if m == 1:
            n, within, length = t // T, t % T, T
        else:
            n, within, length = 0, t, T
            while within >= length:
                n, within, length = n + 1, within - length, length * m
        return D(A) * power(q, n) * cosine(1, length, a)(within)

    return at


def warmup_cosine(A, peak, W, T, end=0.0, p=1.0):
    def at(t):
        if t < W:
            return polynomial(A, peak, 1, W)(t)
        return cosine(peak, T - W, D(end) / D(peak), p)(t - W)

    return at


def through(A, knots, weight):
    """From A at step 0 through values at steps, with weight(x) of the next."""

    def at(t):
        points = [(0, D(A)), *((b, D(v)) for b, v in knots)]
        for (b, v), (e, u) in itertools.pairwise(points):
            if b <= t < e:
                w = weight(D(t - b) / D(e - b))
                return v * (1 - w) + u * w
        return points[-1][1]

    return at


def straight(x):
    return x


def rounded(x):
    return (1 - cos(PI * x)) / 2


def rooted(x):
    return x.sqrt()


def inverse_sqrt(peak, w, init=0.0, c=None):
    c = c or max(w, 1)

    def at(t):
        return polynomial(init, peak, 1, w)(t) if t < w else D(peak) * (D(c) / D(c + t - w)).sqrt()

    return at


def periodic_cosine(A, T, E=0.0):
    def at(t):
        return D(E) + (D(A) - D(E)) * cosine(1, T)(T - abs(T - t % (2 * T)))

    return at


def triangles(B, M, up, down, factor=lambda n, t: D(1)):
    def at(t):
        n, within = divmod(t, up + down)
        x = D(within) / up if within <= up else D(up + down - within) / down
        return D(B) + (D(M) - D(B)) * x * factor(n, t)

    return at


BILLION = 10**9 + 7
# name: ours, the oracle, the boundaries, the relative tolerance in float32
CASES = {
    "constant": (ro.constant_schedule(0.3), lambda t: D(0.3), (), 4e-7),
    "linear": (ro.linear_schedule(0.1, 0.7, 1000), polynomial(0.1, 0.7, 1, 1000), (1000,), 4e-7),
    "linear to 0": (
        ro.linear_schedule(1.0, 0.0, 10**6 + 3, 17),
        polynomial(1.0, 0.0, 1, 10**6 + 3, 17),
        (17, 10**6 + 20),
        4e-7,
    ),
    "linear from 0, long": (
        ro.linear_schedule(0.0, 1.0, BILLION),
        polynomial(0.0, 1.0, 1, BILLION),
        (BILLION // 2, BILLION),
        4e-7,
    ),
    "linear over all counts": (
        ro.linear_schedule(2.0, 0.0, LAST),
        polynomial(2.0, 0.0, 1, LAST),
        (LAST // 2,),
        4e-7,
    ),
    "square": (
        ro.polynomial_schedule(1.0, 0.0, 2, 5000, 10),
        polynomial(1.0, 0.0, 2, 5000, 10),
        (10, 5010),
        4e-7,
    ),
    "square from 0": (
        ro.polynomial_schedule(0.0, 1.0, 2, 10**6, 10),
        polynomial(0.0, 1.0, 2, 10**6, 10),
        (10, 10**6 + 10),
        4e-7,
    ),
    "root from 0": (
        ro.polynomial_schedule(0.0, 1.0, 0.5, 10**6),
        polynomial(0.0, 1.0, 0.5, 10**6),
        (10**6 // 2, 10**6),
        4e-7,
    ),
    "hundredth root from 0": (
        ro.polynomial_schedule(0.0, 1.0, 0.01, 1000),
        polynomial(0.0, 1.0, 0.01, 1000),
        (400, 600, 1000),
        4e-7,
    ),
    "power 0": (ro.polynomial_schedule(0.5, 0.1, 0, 10), polynomial(0.5, 0.1, 0, 10), (10,), 4e-7),
    "warmup": (ro.linear_warmup(0.1, 500), polynomial(0.0, 0.1, 1, 500), (500,), 4e-7),
    "warmup from a value": (
        ro.linear_warmup(0.1, 500, 0.01),
        polynomial(0.01, 0.1, 1, 500),
        (500,),
        4e-7,
    ),
    "piecewise": (
        ro.piecewise_constant_schedule(0.3, {2**24 + 1: 0.1, 100: 0.5, LAST: 3.0}),
        piecewise(0.3, {100: 0.5, 2**24 + 1: 0.1, LAST: 3.0}),
        (100,),
        4e-7,
    ),
    "exponential": (
        ro.exponential_decay(0.5, 1000, 0.9, 20),
        exponential(0.5, 1000, 0.9, 20),
        (20, 1020, 100_000, 777_777),
        1e-6,
    ),
    "exponential, one a step": (
        ro.exponential_decay(0.5, 1, 0.99999),
        exponential(0.5, 1, 0.99999),
        (2**20, 2**20 - 1, 10**6),
        1e-6,
    ),
    "exponential, slow": (
        ro.exponential_decay(0.5, 1, 1 - 2.0**-30),
        exponential(0.5, 1, 1 - 2.0**-30),
        (2**30,),
        2e-6,  # thirty factors
    ),
    "exponential, bounded below": (
        ro.exponential_decay(0.5, 10, 0.5, end_value=0.1),
        exponential(0.5, 10, 0.5, end=0.1),
        (10, 23, 24),
        1e-6,
    ),
    "exponential, bounded above": (
        ro.exponential_decay(0.5, 10, 1.5, end_value=2.0),
        exponential(0.5, 10, 1.5, end=2.0),
        (10, 34, 35),
        1e-6,
    ),
    "step decay": (
        ro.step_decay(0.1, 30),
        exponential(0.1, 30, 0.1, staircase=True),
        (30, 60, 90),
        1e-6,
    ),
    "step decay, long": (
        ro.step_decay(0.1, 2**24 + 1, 0.3),
        exponential(0.1, 2**24 + 1, 0.3, staircase=True),
        (2 * (2**24 + 1), 100 * (2**24 + 1)),
        1e-6,
    ),
    "staircase with a beginning": (
        ro.exponential_decay(0.1, 30, 0.9, 7, staircase=True),
        exponential(0.1, 30, 0.9, 7, staircase=True),
        (7, 37, 3007),
        1e-6,
    ),
    "cosine": (ro.cosine_decay_schedule(0.1, 1000), cosine(0.1, 1000), (500, 1000), 4e-7),
    "cosine, long": (
        ro.cosine_decay_schedule(0.1, BILLION),
        cosine(0.1, BILLION),
        (BILLION // 2, BILLION),
        5e-7,
    ),
    "cosine to a share": (
        ro.cosine_decay_schedule(0.1, 777, alpha=0.25, exponent=2.0),
        cosine(0.1, 777, 0.25, 2.0),
        (388, 777),
        4e-7,
    ),
    "restarts": (
        ro.cosine_restarts(0.1, 1000, alpha=0.01),
        restarts(0.1, 1000, a=0.01),
        (500, 1000, 2000, 10**6),
        4e-7,
    ),
    "restarts, lower each time": (
        ro.cosine_restarts(0.1, 10**8, m_mul=0.8),
        restarts(0.1, 10**8, q=0.8),
        (10**8, 9 * 10**8),
        1e-6,
    ),
    "restarts, longer each time": (
        ro.cosine_restarts(0.1, 100, t_mul=2, m_mul=0.5),
        restarts(0.1, 100, 2, 0.5),
        (100, 300, 700, 100 * (2**20 - 1)),
        1e-6,
    ),
    "restarts, three times as long": (
        ro.cosine_restarts(1.0, 7, t_mul=3),
        restarts(1.0, 7, 3),
        (7, 28, 91, 280),
        1e-6,
    ),
    "warmup and cosine": (
        ro.warmup_cosine_decay_schedule(0.0, 0.3, 50, 1000),
        warmup_cosine(0.0, 0.3, 50, 1000),
        (50, 525, 1000),
        4e-7,
    ),
    "warmup by share, to an end": (
        ro.warmup_cosine_decay_schedule(0.01, 0.3, None, 10**6, 0.03, 1.5, warmup_fraction=0.05),
        warmup_cosine(0.01, 0.3, 50_000, 10**6, 0.03, 1.5),
        (50_000, 10**6),
        5e-7,
    ),
    "piecewise linear": (
        ro.piecewise_interpolate_schedule("linear", 0.3, {2**24 + 1: 0.5, 100: 3.0}),
        through(0.3, [(100, D(0.3) * 3), (2**24 + 1, D(0.3) * D(1.5))], straight),
        (100, 2**24 + 1),
        5e-7,
    ),
    "piecewise cosine to 0": (
        ro.piecewise_interpolate_schedule("cosine", 0.3, {10: 2.0, BILLION: 0.0}),
        through(0.3, [(10, D(0.3) * 2), (BILLION, 0)], rounded),
        (10, BILLION // 2, BILLION),
        6e-7,
    ),
    "one cycle of lines": (
        ro.linear_onecycle_schedule(1000, 0.8, 0.25, 0.75, 16.0, 2.0**10),
        through(0.05, [(250, 0.8), (750, 0.05), (1000, D(0.05) / 2**10)], straight),
        (250, 750, 1000),
        6e-7,
    ),
    "one cycle of cosines": (
        ro.cosine_onecycle_schedule(BILLION, 0.8, 0.25, 16.0, 2.0**10),
        through(0.05, [(BILLION // 4, 0.8), (BILLION, D(0.05) / 2**10)], rounded),
        (BILLION // 4, BILLION),
        6e-7,
    ),
    "warmup and constant": (
        ro.warmup_constant_schedule(0.01, 0.3, 50),
        polynomial(0.01, 0.3, 1, 50),
        (50,),
        4e-7,
    ),
    "warmup and exponential": (
        ro.warmup_exponential_decay_schedule(0.0, 0.3, 50, 1000, 0.9, 20),
        lambda t: polynomial(0.0, 0.3, 1, 50)(t) if t < 50 else exponential(0.3, 1000, 0.9, 70)(t),
        (50, 70, 1070),
        1e-6,
    ),
    **{
        f"warmup, stable, {cooldown}": (
            ro.warmup_stable_decay_schedule(0.0, 0.3, 50, 10**6, 100_000, 0.01, cooldown),
            lambda t, weight=weight: (
                polynomial(0.0, 0.3, 1, 50)(t)
                if t < 50
                else through(0.3, [(900_000, 0.3), (10**6, 0.01)], weight)(t)
            ),
            (50, 900_000, 950_000, 10**6),
            5e-7,
        )
        for cooldown, weight in (("linear", straight), ("cosine", rounded), ("1-sqrt", rooted))
    },
    "stable, 1-sqrt to 0": (
        ro.warmup_stable_decay_schedule(0.0, 0.3, 0, BILLION, BILLION // 2),
        through(0.3, [(BILLION - BILLION // 2, 0.3), (BILLION, 0)], rooted),
        (BILLION - BILLION // 2, BILLION),
        6e-7,
    ),
    "inverse root": (
        ro.inverse_sqrt_schedule(0.3, 4000),
        inverse_sqrt(0.3, 4000),
        (4000, 8000),
        4e-7,
    ),
    "inverse root of a long scale": (
        ro.inverse_sqrt_schedule(0.3, 10, 0.1, timescale=LAST),
        inverse_sqrt(0.3, 10, 0.1, LAST),
        (10,),
        5e-7,
    ),
    "periodic cosine": (
        ro.cosine_annealing(0.1, 1000),
        periodic_cosine(0.1, 1000),
        (500, 1000, 1500, 2000, 3000),
        5e-7,
    ),
    "periodic cosine, long": (
        ro.cosine_annealing(0.1, LAST // 2 + 2, 0.01),
        periodic_cosine(0.1, LAST // 2 + 2, 0.01),
        (LAST // 2 + 2,),
        5e-7,
    ),
    "triangles": (ro.cyclic(0.01, 0.1, 70, 30), triangles(0.01, 0.1, 70, 30), (70, 100, 170), 5e-7),
    "triangles, half as high each": (
        ro.cyclic(0.0, 0.1, BILLION // 16, mode="triangular2"),
        triangles(0.0, 0.1, BILLION // 16, BILLION // 16, lambda n, t: D(2) ** -n),
        (BILLION // 16, BILLION // 8),
        5e-7,
    ),
    "triangles, shrinking": (
        ro.cyclic(0.01, 0.1, 70, 30, mode="exp_range", gamma=0.999),
        triangles(0.01, 0.1, 70, 30, lambda n, t: power(0.999, t)),
        (70, 100),
        1e-6,
    ),
}


# A compiler that knows the length multiplies by its reciprocal, and may fold π/2 into that,
# where the eager program divides: an ulp and a half of the angle, which sin² doubles, beside
# an ulp for each of the sine, its square and the factor. Measured on JAX 0.10 and 0.12, over
# all counts of "cosine" and some of the others: at most 4.
ANOTHER_PROGRAM = 6 * float(np.finfo(np.float32).eps)


MANY = 64  # as many for every schedule, whose operations are then compiled once for all


def counts_of(boundaries):
    around = [b + i for b in boundaries for i in (-1, 0, 1)]
    return sorted({t for t in (*EDGES, *around) if 0 <= t <= LAST})


def assert_close(values, expected, counts, rtol, tiny):
    """Relative to what is expected, however little is left of it."""
    for value, right, t in zip(np.asarray(values), expected, counts, strict=True):
        error = abs(Decimal(float(value)) - right)
        assert error <= Decimal(rtol) * abs(right) + Decimal(tiny), (t, value, float(right))


@pytest.mark.parametrize("name", CASES)
def test_float32_under_jit(name):
    schedule, oracle, boundaries, rtol = CASES[name]
    counts = counts_of(boundaries)
    expected = [oracle(t) for t in counts]
    step = jax.jit(lambda t: jnp.asarray(schedule(t), jnp.float32))
    values = [step(jnp.asarray(t, jnp.int32)) for t in counts]
    tiny = float(np.finfo(np.float32).tiny)
    assert_close(values, expected, counts, rtol, tiny)

    # One call on Python integers, one on a vector, eagerly or not: the same values.
    for value, t in list(zip(values, counts, strict=True))[::3]:
        np.testing.assert_allclose(schedule(t), value, rtol=ANOTHER_PROGRAM, atol=tiny)
    if name != "constant":
        vector = jnp.asarray(np.resize(counts, MANY), jnp.int32)
        found = schedule(vector)
        assert found.shape == vector.shape
        assert found.dtype == jnp.float32
        values = np.resize(np.asarray(values), MANY)
        np.testing.assert_allclose(found, values, rtol=ANOTHER_PROGRAM, atol=tiny)
        matrix = schedule(jnp.stack([vector, vector]))
        np.testing.assert_array_equal(matrix[1], found)


@pytest.mark.parametrize("name", CASES)
def test_float64(name):
    schedule, oracle, boundaries, _ = CASES[name]
    counts = counts_of(boundaries)
    with jax.enable_x64(True):
        values = jax.jit(schedule)(jnp.asarray(counts, jnp.int32))
        values = np.broadcast_to(values, len(counts))
        assert name == "constant" or values.dtype == np.float64
    assert_close(values, [oracle(t) for t in counts], counts, 1e-12, 1e-300)


# --- Optax and PyTorch ------------------------------------------------------------------


SGDR = [
    {"init_value": 0.0, "peak_value": 1.0, "warmup_steps": 5, "decay_steps": 40},
    {"init_value": 0.1, "peak_value": 0.5, "warmup_steps": 10, "decay_steps": 80, "end_value": 0.1},
    {"init_value": 0.0, "peak_value": 0.2, "warmup_steps": 1, "decay_steps": 20, "exponent": 2.0},
]
AS_OPTAX = [
    ("constant_schedule", (0.3,), {}),
    ("linear_schedule", (0.1, 0.9, 70, 5), {}),
    ("linear_schedule", (0.1, 0.9, 0), {}),
    ("polynomial_schedule", (1.0, 0.1, 3, 70, 5), {}),
    ("polynomial_schedule", (1.0, 0.1, 0.5, 70), {}),
    ("piecewise_constant_schedule", (0.5, {20: 0.1, 10: 3.0}), {}),
    ("piecewise_constant_schedule", (0.5,), {}),
    ("exponential_decay", (0.5, 10, 0.7), {}),
    ("exponential_decay", (0.5, 10, 0.7, 15), {"staircase": True}),
    ("exponential_decay", (0.5, 10, 0.7), {"end_value": 0.2}),
    ("exponential_decay", (0.5, 10, 1.7), {"end_value": 2.0, "transition_begin": 3}),
    ("exponential_decay", (0.5, 0, 0.7), {}),
    ("exponential_decay", (0.5, 10, 0.0), {}),
    ("exponential_decay", (0.5, 2.5, 0.9), {}),
    ("exponential_decay", (0.5, 2.5, 0.9, 1.5), {"staircase": True}),
    ("cosine_decay_schedule", (0.3, 90), {}),
    ("cosine_decay_schedule", (0.3, 0.5), {}),
    ("cosine_decay_schedule", (0.3, 90), {"alpha": 0.2, "exponent": 1.7}),
    ("warmup_cosine_decay_schedule", (0.1, 0.9, 20, 90), {}),
    ("warmup_cosine_decay_schedule", (0.1, 0.9, 20, 90, 0.05, 2.0), {}),
    ("warmup_cosine_decay_schedule", (0.1, 0.0, 20, 90), {}),
    ("warmup_cosine_decay_schedule", (0.1, 0.9, 2.0, 90.5), {}),
    ("sgdr_schedule", (SGDR,), {}),
    ("piecewise_interpolate_schedule", ("linear", 0.5, {20: 0.1, 10: 3.0}), {}),
    ("piecewise_interpolate_schedule", ("cosine", 0.5, {0: 0.1, 50: 3.0, 120: 0.0}), {}),
    ("piecewise_interpolate_schedule", ("linear", 0.5), {}),
    ("linear_onecycle_schedule", (130, 0.7), {}),
    ("linear_onecycle_schedule", (90, 0.7, 0.0, 0.5, 4.0, 10.0), {}),
    ("cosine_onecycle_schedule", (130, 0.7), {}),
    ("cosine_onecycle_schedule", (90, 0.7, 0.5, 4.0, 10.0), {}),
    ("warmup_constant_schedule", (0.1, 0.9, 70), {}),
    ("warmup_exponential_decay_schedule", (0.1, 0.9, 20, 10, 0.7), {}),
    ("warmup_exponential_decay_schedule", (0.1, 0.9, 20, 10, 0.7, 5, True, 0.2), {}),
]


@pytest.mark.filterwarnings("ignore:.*transition_steps.*")
@pytest.mark.parametrize(("name", "args", "kwargs"), AS_OPTAX, ids=lambda x: str(x)[:40])
def test_equals_optax(name, args, kwargs):
    with jax.enable_x64(True):
        counts = np.arange(160)
        ours = getattr(ro, name)(*args, **kwargs)
        theirs = getattr(optax, name)(*args, **kwargs)
        values = [float(ours(int(t))) for t in counts]
        with jax.numpy_dtype_promotion("standard"):
            expected = jax.vmap(theirs)(counts)
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-15)


def torch_rates(steps, make, lr=0.4):
    torch = pytest.importorskip("torch", reason="PyTorch's schedulers are the oracle")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def sequential(schedulers, optimizer):
    warmup = schedulers.LinearLR(optimizer, start_factor=0.1, total_iters=12)
    cosine = schedulers.CosineAnnealingLR(optimizer, T_max=68)
    return schedulers.SequentialLR(optimizer, [warmup, cosine], milestones=[12])


def one_cycle(schedulers, optimizer, **keywords):
    return schedulers.OneCycleLR(optimizer, cycle_momentum=False, **keywords)


def cyclic(schedulers, optimizer, **keywords):
    return schedulers.CyclicLR(optimizer, cycle_momentum=False, **keywords)


TORCH = {
    "StepLR": (ro.step_decay(0.4, 13, 0.3), 100, lambda s, o: s.StepLR(o, step_size=13, gamma=0.3)),
    "CosineAnnealingLR": (
        ro.cosine_decay_schedule(0.4, 80, alpha=0.01 / 0.4),
        81,
        lambda s, o: s.CosineAnnealingLR(o, T_max=80, eta_min=0.01),
    ),
    "CosineAnnealingWarmRestarts": (
        ro.cosine_restarts(0.4, 16, alpha=0.01 / 0.4),
        100,
        lambda s, o: s.CosineAnnealingWarmRestarts(o, T_0=16, eta_min=0.01),
    ),
    "CosineAnnealingWarmRestarts, T_mult": (
        ro.cosine_restarts(0.4, 7, t_mul=2),
        120,
        lambda s, o: s.CosineAnnealingWarmRestarts(o, T_0=7, T_mult=2),
    ),
    "LinearLR": (
        ro.linear_warmup(0.4, 20, 0.1),
        40,
        lambda s, o: s.LinearLR(o, start_factor=0.25, total_iters=20),
    ),
    "MultiStepLR": (
        ro.piecewise_constant_schedule(0.4, {10: 0.3, 25: 0.3}),
        40,
        lambda s, o: s.MultiStepLR(o, [25, 10], gamma=0.3),
    ),
    "ConstantLR": (
        ro.piecewise_constant_schedule(0.4 * 0.25, {12: 4.0}),
        40,
        lambda s, o: s.ConstantLR(o, factor=0.25, total_iters=12),
    ),
    "PolynomialLR": (
        ro.polynomial_schedule(0.4, 0.0, 2.5, 30),
        40,
        lambda s, o: s.PolynomialLR(o, total_iters=30, power=2.5),
    ),
    "ExponentialLR": (
        ro.exponential_decay(0.4, 1, 0.93),
        100,
        lambda s, o: s.ExponentialLR(o, gamma=0.93),
    ),
    "CosineAnnealingLR, past its minimum": (
        ro.cosine_annealing(0.4, 17, eta_min=0.01),
        120,
        lambda s, o: s.CosineAnnealingLR(o, T_max=17, eta_min=0.01),
    ),
    **{
        f"OneCycleLR, {strategy}, three_phase={three}, {share} of {steps}": (
            ro.one_cycle(0.4, steps, share, strategy, 10.0, 100.0, three_phase=three),
            steps,
            partial(
                one_cycle,
                max_lr=0.4,
                total_steps=steps,
                pct_start=share,
                anneal_strategy=strategy,
                div_factor=10.0,
                final_div_factor=100.0,
                three_phase=three,
            ),
        )
        for strategy in ("cos", "linear")
        for three, share, steps in (
            *((False, 0.3, 101), (False, 0.25, 80), (False, 0.0, 30), (False, 0.9, 30)),
            *((True, 0.3, 101), (True, 0.45, 77)),
        )
    },
    **{
        f"CyclicLR, {mode}, {down} down": (
            ro.cyclic(0.05, 0.4, 13, down, mode, gamma),
            120,
            partial(
                cyclic,
                base_lr=0.05,
                max_lr=0.4,
                step_size_up=13,
                step_size_down=down,
                mode=mode,
                gamma=gamma,
            ),
        )
        for mode, gamma, down in (
            *(("triangular", 1.0, None), ("triangular", 1.0, 5)),
            *(("triangular2", 1.0, 20), ("exp_range", 0.97, 5)),
        )
    },
    "SequentialLR": (ro.warmup_cosine_decay_schedule(0.04, 0.4, 12, 80), 81, sequential),
}


@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step\\(\\)`")
@pytest.mark.parametrize("name", TORCH)
def test_equals_pytorch(name):
    schedule, steps, make = TORCH[name]
    expected = torch_rates(steps, make)
    with jax.enable_x64(True):
        values = jax.jit(schedule)(jnp.arange(steps))
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-15)


# --- what a shape must be, whatever its hyperparameters ---------------------------------

values = st.floats(0.0, 10.0, width=32, allow_subnormal=False)
lengths = st.integers(1, 10**9)
COUNTS = np.unique(np.geomspace(1, LAST, 200).astype(np.int64)) - 1


def at(schedule, counts):
    return np.asarray(schedule(jnp.asarray(np.asarray(counts), jnp.int32)), np.float64)


@settings(deadline=None, max_examples=40)
@given(start=values, end=values, T=lengths, B=st.integers(0, 10**9))
def test_linear_is_monotone_between_its_ends(start, end, T, B):
    s = at(ro.linear_schedule(start, end, T, B), COUNTS)
    slack = 3e-7 * max(start, end) + 1e-37
    assert np.all(np.diff(s) * np.sign(end - start) >= -slack)
    assert s.min() >= min(start, end) - slack
    assert s.max() <= max(start, end) + slack
    first, last = at(ro.linear_schedule(start, end, T, B), [B, B + T])
    np.testing.assert_allclose([first, last], [start, end], rtol=1.3e-7, atol=1e-37)


@settings(deadline=None, max_examples=40)
@given(start=values, T=lengths, alpha=st.floats(0.0, 1.0, width=32, allow_subnormal=False))
def test_cosine_never_rises_and_ends_on_its_share(start, T, alpha):
    s = at(ro.cosine_decay_schedule(start, T, alpha), COUNTS)
    assert np.all(np.diff(s) <= 3e-7 * start + 1e-37)
    first, middle, last, later = at(
        ro.cosine_decay_schedule(start, 2 * T, alpha), [0, T, 2 * T, LAST]
    )
    np.testing.assert_allclose(first, start, rtol=2e-7, atol=1e-37)
    np.testing.assert_allclose(middle, start * (1 + alpha) / 2, rtol=5e-7, atol=1e-37)
    np.testing.assert_allclose([last, later], start * alpha, rtol=2e-7, atol=1e-37)


@settings(deadline=None, max_examples=40)
@given(every=st.integers(1, 10**8), factor=st.floats(0.015625, 1.0, width=32), n=st.integers(1, 20))
def test_step_decay_drops_by_its_factor_at_each_boundary_only(every, factor, n):
    before, on, after = at(
        ro.step_decay(2.0, every, factor), [n * every - 1, n * every, (n + 1) * every - 1]
    )
    np.testing.assert_allclose(on, before * factor, rtol=1e-6, atol=1e-37)
    assert on == after


@settings(deadline=None, max_examples=40)
@given(
    peak=st.floats(0.0078125, 10.0, width=32),
    start=values,
    warmup=st.integers(1, 10**6),
    rest=st.integers(1, 10**6),
    end=st.floats(0.0, 1.0, width=32, allow_subnormal=False),
)
def test_warmup_meets_the_cosine(peak, start, warmup, rest, end):
    schedule = ro.warmup_cosine_decay_schedule(start, peak, warmup, warmup + rest, end)
    first, before, top, last = at(schedule, [0, warmup - 1, warmup, warmup + rest])
    np.testing.assert_allclose([first, top], [start, peak], rtol=3e-7, atol=1e-37)
    assert abs(before - top) <= abs(peak - start) / warmup + 3e-7 * max(peak, start) + 1e-37
    np.testing.assert_allclose(last, end, rtol=5e-7, atol=1e-37)


@settings(deadline=None, max_examples=40)
@given(T=st.integers(2, 10**6), m=st.integers(1, 3), n=st.integers(1, 4), q=st.floats(0.25, 1.0))
def test_restarts_jump_to_the_next_peak(T, m, n, q):
    start = sum(T * m**i for i in range(n))
    before, on = at(ro.cosine_restarts(1.0, T, m, q), [start - 1, start])
    np.testing.assert_allclose(on, q**n, rtol=1e-6)
    length = T * m ** (n - 1)
    np.testing.assert_allclose(before, q ** (n - 1) * np.sin(np.pi / 2 / length) ** 2, rtol=2e-6)


# --- the odd ends -------------------------------------------------------------------------


def test_warmup_by_share_equals_warmup_by_steps():
    t = jnp.arange(1200)
    by_share = ro.warmup_cosine_decay_schedule(0.0, 1.0, decay_steps=1000, warmup_fraction=0.05)
    by_steps = ro.warmup_cosine_decay_schedule(0.0, 1.0, 50, 1000)
    one_step = ro.warmup_cosine_decay_schedule(0.0, 1.0, 1, 1000)
    np.testing.assert_array_equal(by_share(t), by_steps(t))
    assert float(one_step(0)) == 0.0
    assert float(one_step(1)) == 1.0


def test_a_number_of_steps_need_not_be_whole():
    assert float(ro.step_decay(1.0, 2.5, 0.5)(7)) == 0.25
    cosine = ro.cosine_decay_schedule(1.0, 2.5)
    np.testing.assert_allclose([cosine(t) for t in (0, 3)], [1.0, 0.0], atol=1e-6)


def test_whole_numbers_of_steps_are_exact_as_floats_too():
    late = ro.warmup_stable_decay_schedule(0.0, 1.0, 2.0, LAST, 4.0, cooldown="linear")
    assert [float(late(LAST - t)) for t in (3, 2, 1)] == [0.75, 0.5, 0.25]


def test_no_warmup_starts_at_the_peak():
    assert float(ro.linear_warmup(0.25, 0)(0)) == 0.25
    assert float(ro.warmup_cosine_decay_schedule(0.0, 0.25, 0, 10)(0)) == 0.25
    assert float(ro.warmup_constant_schedule(0.0, 0.25, 0)(0)) == 0.25
    assert float(ro.warmup_stable_decay_schedule(0.0, 0.25, 0, 10)(0)) == 0.25
    assert float(ro.inverse_sqrt_schedule(0.25, 0)(0)) == 0.25


def test_a_schedule_that_is_all_cooldown_or_has_none():
    falling = ro.warmup_stable_decay_schedule(0.0, 1.0, 0, 8, 8, cooldown="linear")
    assert [float(falling(t)) for t in (0, 2, 8)] == [1.0, 0.75, 0.0]
    stable = ro.warmup_stable_decay_schedule(0.0, 1.0, 2, 8, 0)
    assert [float(stable(t)) for t in (0, 1, 2, 8, 9)] == [0.0, 0.5, 1.0, 1.0, 1.0]


def test_a_cycle_too_short_for_its_phases():
    one_step = ro.linear_onecycle_schedule(1, 1.0, div_factor=4.0)
    assert [float(one_step(t)) for t in (0, 1)] == pytest.approx([0.25, 0.25 / 1e4])
    up = ro.cosine_onecycle_schedule(10, 1.0, pct_start=1.0, div_factor=4.0)
    assert [float(up(t)) for t in (0, 5, 10)] == pytest.approx([0.25, 0.625, 0.25 / 1e4])
    assert float(ro.one_cycle(1.0, 10, 0.1)(0)) == 1.0  # PyTorch divides by zero
    past = ro.one_cycle(1.0, 10, div_factor=4.0)
    assert float(past(9)) == float(past(1000)) == pytest.approx(0.25 / 1e4)  # PyTorch raises


def test_an_exhausted_cosine_is_exactly_zero():
    schedule = ro.cosine_decay_schedule(0.1, 1000)
    assert at(schedule, [1000, 1001, LAST]).tolist() == [0.0, 0.0, 0.0]
    assert float(schedule(999)) > 0


def test_hyperparameters_may_be_traced():
    @jax.jit
    def traced(peak, rate, count):
        return (
            ro.linear_warmup(peak, 10)(count),
            ro.cosine_decay_schedule(peak, 100, alpha=rate)(count),
            ro.warmup_cosine_decay_schedule(0.0, peak, 5, 100, end_value=rate)(count),
            ro.exponential_decay(peak, 10, rate)(count),
            ro.step_decay(peak, 10, rate)(count),
            ro.cosine_restarts(peak, 10, 2, rate, rate)(count),
            ro.polynomial_schedule(peak, rate, peak, 100)(count),
            ro.piecewise_interpolate_schedule("cosine", peak, {20: 2.0})(count),
            ro.cosine_onecycle_schedule(50, peak)(count),
            ro.warmup_stable_decay_schedule(0.0, peak, 5, 100, 50, rate)(count),
            ro.inverse_sqrt_schedule(peak, 5)(count),
            ro.cosine_annealing(peak, 10, rate)(count),
            ro.one_cycle(peak, 50)(count),
            ro.cyclic(rate, peak, 10, mode="exp_range", gamma=rate)(count),
        )

    for t in (0, 3, 10, 25, 100):
        plain = (
            ro.linear_warmup(0.5, 10)(t),
            ro.cosine_decay_schedule(0.5, 100, alpha=0.25)(t),
            ro.warmup_cosine_decay_schedule(0.0, 0.5, 5, 100, end_value=0.25)(t),
            ro.exponential_decay(0.5, 10, 0.25)(t),
            ro.step_decay(0.5, 10, 0.25)(t),
            ro.cosine_restarts(0.5, 10, 2, 0.25, 0.25)(t),
            ro.polynomial_schedule(0.5, 0.25, 0.5, 100)(t),
            ro.piecewise_interpolate_schedule("cosine", 0.5, {20: 2.0})(t),
            ro.cosine_onecycle_schedule(50, 0.5)(t),
            ro.warmup_stable_decay_schedule(0.0, 0.5, 5, 100, 50, 0.25)(t),
            ro.inverse_sqrt_schedule(0.5, 5)(t),
            ro.cosine_annealing(0.5, 10, 0.25)(t),
            ro.one_cycle(0.5, 50)(t),
            ro.cyclic(0.25, 0.5, 10, mode="exp_range", gamma=0.25)(t),
        )
        np.testing.assert_allclose(traced(0.5, 0.25, jnp.asarray(t)), plain, rtol=1e-6)


def test_polynomial_has_a_gradient_everywhere():
    def value(start, end, power, t):
        return ro.polynomial_schedule(start, end, power, 10)(t)

    for t in (0, 4, 10, 12):
        slopes = jax.grad(value, argnums=(0, 1, 2))(0.5, 0.25, 2.0, t)
        left = (10 - min(t, 10)) / 10
        expected = (left**2, 1 - left**2, 0.25 * left**2 * math.log(left) if left else 0.0)
        np.testing.assert_allclose(slopes, expected, rtol=1e-5, atol=1e-7)


WRONG = [
    (lambda: ro.polynomial_schedule(1.0, 0.0, -1, 10), "power"),
    (lambda: ro.polynomial_schedule(1.0, 0.0, 2, -1), "transition_steps"),
    (lambda: ro.polynomial_schedule(1.0, 0.0, 2, 10, -1), "transition_begin"),
    (lambda: ro.linear_schedule(1.0, 0.0, -1), "transition_steps"),
    (lambda: ro.linear_warmup(1.0, -1), "warmup_steps"),
    (lambda: ro.piecewise_constant_schedule(1.0, {10: -0.5}), "scale at 10"),
    (lambda: ro.exponential_decay(1.0, -1, 0.5), "transition_steps"),
    (lambda: ro.exponential_decay(1.0, 10, -0.5), "decay_rate"),
    (lambda: ro.exponential_decay(1.0, 10, math.nan), "decay_rate"),
    (lambda: ro.exponential_decay(1.0, 10, 0.5, -1), "transition_begin"),
    (lambda: ro.step_decay(1.0, 0), "every_steps"),
    (lambda: ro.step_decay(1.0, 10, 0.0), "factor"),
    (lambda: ro.step_decay(1.0, 10, 1.5), "factor"),
    (lambda: ro.cosine_decay_schedule(1.0, 0), "decay_steps"),
    (lambda: ro.cosine_restarts(1.0, 0), "first_decay_steps"),
    (lambda: ro.cosine_restarts(1.0, 2.5), "first_decay_steps"),
    (lambda: ro.cosine_restarts(1.0, 10, 0), "t_mul"),
    (lambda: ro.cosine_restarts(1.0, 10, 1.5), "t_mul"),
    (lambda: ro.cosine_restarts(1.0, 10, m_mul=-1.0), "m_mul"),
    (lambda: ro.warmup_cosine_decay_schedule(0.0, 1.0, 10, 0), "decay_steps"),
    (lambda: ro.warmup_cosine_decay_schedule(0.0, 1.0, -1, 10), "warmup_steps"),
    (lambda: ro.warmup_cosine_decay_schedule(0.0, 1.0, 10, 10), "warmup_steps"),
    (lambda: ro.warmup_constant_schedule(0.0, 1.0, -1), "warmup_constant.*: warmup_steps"),
    (lambda: ro.warmup_exponential_decay_schedule(0.0, 1.0, -1, 10, 0.5), "warmup_steps"),
    (lambda: ro.warmup_exponential_decay_schedule(0.0, 1.0, 1, -1, 0.5), "transition_steps"),
    (lambda: ro.warmup_stable_decay_schedule(0.0, 1.0, 10, 0), "total_steps"),
    (lambda: ro.warmup_stable_decay_schedule(0.0, 1.0, -5, 10), "warmup_steps"),
    (lambda: ro.warmup_stable_decay_schedule(0.0, 1.0, 60, 100, 41), "decay_steps"),
    (lambda: ro.warmup_stable_decay_schedule(0.0, 1.0, 6, 10, 2, 0.0, "exp"), "cooldown"),
    (lambda: ro.inverse_sqrt_schedule(1.0, -1), "warmup_steps"),
    (lambda: ro.inverse_sqrt_schedule(1.0, 1, timescale=0), "timescale"),
    (lambda: ro.piecewise_interpolate_schedule("cubic", 1.0), "interpolate_type"),
    (lambda: ro.piecewise_interpolate_schedule("linear", 1.0, {-1: 0.5}), "boundary -1"),
    (lambda: ro.piecewise_interpolate_schedule("linear", 1.0, {3: -0.5}), "scale at 3"),
    (lambda: ro.linear_onecycle_schedule(0, 1.0), "transition_steps"),
    (lambda: ro.linear_onecycle_schedule(10, 1.0, 0.5, 0.4), "pct_final"),
    (lambda: ro.cosine_onecycle_schedule(10, 1.0, 1.5), "pct_start"),
    (lambda: ro.cosine_onecycle_schedule(10, 1.0, div_factor=0.0), "div_factor"),
    (lambda: ro.cosine_annealing(1.0, 0), "T_max"),
    (lambda: ro.one_cycle(1.0, 0), "total_steps"),
    (lambda: ro.one_cycle(1.0, 10, anneal_strategy="log"), "anneal_strategy"),
    (lambda: ro.one_cycle(1.0, 10, final_div_factor=-1.0), "final_div_factor"),
    (lambda: ro.cyclic(0.0, 1.0, 0), "step_size_up"),
    (lambda: ro.cyclic(0.0, 1.0, 10, 0), "step_size_down"),
    (lambda: ro.cyclic(0.0, 1.0, mode="square"), "mode"),
    (lambda: ro.cyclic(0.0, 1.0, gamma=1.5), "gamma"),
]


@pytest.mark.parametrize(("make", "named"), WRONG)
def test_wrong_hyperparameters_are_named(make, named):
    with pytest.raises(ValueError, match=f"{named} must be (an integer )?(in|one of)"):
        make()


def test_a_hyperparameter_that_is_no_number():
    with pytest.raises(TypeError, match="decay_steps must be a number"):
        ro.cosine_decay_schedule(1.0, "many")
