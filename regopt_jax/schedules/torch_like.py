r"""PyTorch's schedulers whose steps are not those of a schedule of Optax's name.

The others are there under another name:

====================================  ====================================================
PyTorch                               here, with the optimiser's rate I
====================================  ====================================================
``StepLR(k, f)``                      ``step_decay(I, k, f)``
``MultiStepLR([b, ...], f)``          ``piecewise_constant_schedule(I, {b: f, ...})``
``ConstantLR(f, T)``                  ``piecewise_constant_schedule(f I, {T: 1/f})``
``LinearLR(f, e, T)``                 ``linear_schedule(f I, e I, T)``
``PolynomialLR(T, p)``                ``polynomial_schedule(I, 0, p, T)``
``ExponentialLR(f)``                  ``exponential_decay(I, 1, f)``
``CosineAnnealingWarmRestarts(T, m)`` ``cosine_restarts(I, T, m)``
``SequentialLR``                      ``join_schedules``
====================================  ====================================================

Here t counts the optimiser's steps, so a scheduler that PyTorch steps once an epoch has
its lengths in steps too.
"""

import itertools
import math
from typing import Literal

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, Schedule, numbers
from regopt_jax._core.made import described
from regopt_jax.schedules.cosines import half_cosine
from regopt_jax.schedules.counts import as_count, as_float, cycles, last, remaining
from regopt_jax.schedules.decays import integer_power
from regopt_jax.schedules.interpolation import WEIGHTS, check_shape


@described
def cosine_annealing(init_value: ArrayLike, T_max: int, eta_min: ArrayLike = 0.0) -> Schedule:
    r"""A cosine that rises again past its minimum (PyTorch's ``CosineAnnealingLR``).

    .. math:: s(t) = E + (I - E)\,\tfrac12\left(1 + \cos(π t/T)\right)

    Args:
      init_value: I.
      T_max: T ≥ 1 steps, half the period; :func:`cosine_decay_schedule` stays at the
        minimum after them.
      eta_min: E.

    Raises:
      ValueError: ``T_max`` out of its range.

    Loshchilov & Hutter, *SGDR*, arXiv 1608.03983.

    >>> schedule = cosine_annealing(1.0, T_max=10)
    >>> [round(float(schedule(t)), 6) for t in (0, 5, 10, 15, 20)]
    [1.0, 0.5, 0.0, 0.5, 1.0]
    """
    numbers.check("cosine_annealing", T_max=(T_max, "[1, inf)"))

    def schedule(count: ArrayLike) -> Array:
        _, within = cycles(count, 2 * T_max)
        left = jnp.abs(remaining(T_max, within))
        done = within if T_max > last() else T_max - jnp.abs(T_max - within)
        high = half_cosine(left / as_float(T_max))
        low = half_cosine(as_float(done) / as_float(T_max))
        return as_float(init_value) * high + as_float(eta_min) * low

    return schedule


@described
def one_cycle(
    max_value: ArrayLike,
    total_steps: int,
    pct_start: float = 0.3,
    anneal_strategy: Literal["cos", "linear"] = "cos",
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    *,
    three_phase: bool = False,
) -> Schedule:
    r"""One cycle up to a peak and down again (PyTorch's ``OneCycleLR``).

    From :math:`P/d` at step 0 to P at :math:`aT-1` to :math:`P/(dD)` at :math:`T-1`; with
    ``three_phase`` by way of :math:`P/d` at :math:`2aT-2`. The last value stays.

    Args:
      max_value: P.
      total_steps: T ≥ 1.
      pct_start: a in [0, 1].
      anneal_strategy: ``"cos"`` or ``"linear"``.
      div_factor: d > 0.
      final_div_factor: D > 0.
      three_phase: go down in two phases, the first as long as the way up.

    Raises:
      ValueError: a hyperparameter out of its range.

    Smith & Topin, *Super-convergence*, arXiv 1708.07120. The phases of
    :func:`cosine_onecycle_schedule`, which is Optax's, end one step later.

    >>> schedule = one_cycle(1.0, total_steps=100, pct_start=0.5, div_factor=4.0)
    >>> [round(float(schedule(t)), 4) for t in (0, 49, 99)]
    [0.25, 1.0, 0.0]
    """
    numbers.check(
        "one_cycle",
        total_steps=(total_steps, "[1, inf)"),
        pct_start=(pct_start, "[0, 1]"),
        div_factor=(div_factor, "(0, inf)"),
        final_div_factor=(final_div_factor, "(0, inf)"),
    )
    check_shape("one_cycle", "anneal_strategy", anneal_strategy, ("cos", "linear"))
    weights = WEIGHTS["cosine" if anneal_strategy == "cos" else "linear"]
    first = max_value / div_factor
    knots = [(0.0, first), (pct_start * total_steps - 1, max_value)]
    if three_phase:
        knots.append((2 * pct_start * total_steps - 2, first))
    knots.append((total_steps - 1.0, first / final_div_factor))

    def schedule(count: ArrayLike) -> Array:
        count = as_count(count)
        value = as_float(knots[-1][1])
        for (begin, start), (end, stop) in reversed(list(itertools.pairwise(knots))):
            done, left = _shares(count, begin, end)
            kept, lost = weights(done, left)
            between = as_float(start) * kept + as_float(stop) * lost
            value = jnp.where(remaining(math.floor(end), count) >= 0, between, value)
        return value

    return schedule


def _shares(count: Array, begin: float, end: float) -> tuple[Array, Array]:
    """The shares done and left of a phase between two steps that need not be whole.

    Whole parts are subtracted as integers, so that both keep their precision in float32.
    """

    def since(step: float) -> Array:
        whole = math.floor(step)
        return -remaining(whole, count) - as_float(step - whole)

    if end <= begin:
        one = jnp.ones_like(since(end))
        return one, jnp.zeros_like(one)
    length = as_float(end - begin)
    return jnp.clip(since(begin) / length, 0, 1), jnp.clip(-since(end) / length, 0, 1)


@described
def cyclic(
    base_value: ArrayLike,
    max_value: ArrayLike,
    step_size_up: int = 2000,
    step_size_down: int | None = None,
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
    gamma: ArrayLike = 1.0,
) -> Schedule:
    r"""Triangles, up and down again and again (PyTorch's ``CyclicLR``).

    In the cycle n = 0, 1, ... with x the height from 0 to 1 and back,

    .. math:: s(t) = B + (M - B)\,x\,q, \qquad q = 1, \; 2^{-n} \text{ or } γ^t

    Args:
      base_value: B.
      max_value: M.
      step_size_up: ≥ 1 steps up.
      step_size_down: ≥ 1 steps down; as many as up when ``None``.
      mode: ``"triangular"``, ``"triangular2"`` (each half as high) or ``"exp_range"``.
      gamma: γ in [0, 1], of ``"exp_range"``.

    Raises:
      ValueError: a hyperparameter out of its range.

    Smith, *Cyclical learning rates for training neural networks*, arXiv 1506.01186.

    >>> schedule = cyclic(0.0, 1.0, step_size_up=4, mode="triangular2")
    >>> [float(schedule(t)) for t in (0, 2, 4, 6, 8, 12)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]
    """
    down = step_size_up if step_size_down is None else step_size_down
    numbers.check(
        "cyclic",
        step_size_up=(step_size_up, "[1, inf)"),
        step_size_down=(down, "[1, inf)"),
        gamma=(gamma, "[0, 1]"),
    )
    check_shape("cyclic", "mode", mode, ("triangular", "triangular2", "exp_range"))
    period = step_size_up + down

    def schedule(count: ArrayLike) -> Array:
        cycle, within = cycles(count, period)
        rising = as_float(within) / as_float(step_size_up)
        falling = remaining(period, within) / as_float(down)
        height = jnp.where(remaining(step_size_up, within) >= 0, rising, falling)
        if mode == "triangular2":
            height = height * integer_power(0.5, cycle)
        elif mode == "exp_range":
            height = height * integer_power(gamma, as_count(count))
        return as_float(base_value) * (1 - height) + as_float(max_value) * height

    return schedule
