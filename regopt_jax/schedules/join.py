"""Schedules made of others, one after the other."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, Schedule, numbers
from regopt_jax._core.made import described
from regopt_jax._core.tolerance import strict
from regopt_jax.schedules.cosines import cosine_decay_schedule
from regopt_jax.schedules.counts import as_count, as_float, before, number_of_steps, since
from regopt_jax.schedules.shapes import linear_schedule


@described
def join_schedules(schedules: Sequence[Schedule], boundaries: Sequence[int]) -> Schedule:
    """Follow one schedule after the other, each counting from its own start.

    Args:
      schedules: n ≥ 1 schedules.
      boundaries: the n-1 steps, increasing, at which the next takes over.

    Raises:
      ValueError: the numbers do not fit or the boundaries do not increase.

    >>> schedule = join_schedules([lambda t: 1.0, lambda t: 2.0 + t], [10])
    >>> [float(schedule(t)) for t in (9, 10, 11)]
    [1.0, 2.0, 3.0]
    """
    if strict():
        _check_joined(schedules, boundaries)

    def schedule(count: ArrayLike) -> Array:
        count = as_count(count)
        value = as_float(schedules[0](count))
        for boundary, following in zip(boundaries, schedules[1:], strict=False):
            after = as_float(following(since(count, boundary)))
            value = jnp.where(before(count, boundary), value, after)
        return value

    return schedule


def _check_joined(schedules: Sequence[Schedule], boundaries: Sequence[int]) -> None:
    if not schedules:
        raise ValueError("join_schedules: at least one schedule is needed, got none.")
    if len(boundaries) != len(schedules) - 1:
        raise ValueError(
            f"join_schedules: {len(schedules)} schedules need {len(schedules) - 1} boundaries, "
            f"got {len(boundaries)}."
        )
    if list(boundaries) != sorted(boundaries):
        raise ValueError(f"join_schedules: boundaries must increase, got {list(boundaries)}.")


@described
def warmup_cosine_decay_schedule(
    init_value: ArrayLike,
    peak_value: ArrayLike,
    warmup_steps: int | None = None,
    decay_steps: int | None = None,
    end_value: ArrayLike = 0.0,
    exponent: ArrayLike = 1.0,
    *,
    warmup_fraction: float | None = None,
) -> Schedule:
    """Rise linearly to the peak, then anneal along a cosine: the lecture's default.

    Args:
      init_value: the value at step 0.
      peak_value: the value after the warmup.
      warmup_steps: a whole number of steps, ≥ 0 and fewer than all.
      decay_steps: the steps of the whole schedule, warmup included; it must be given.
      end_value: the value after the last step.
      exponent: of the cosine.
      warmup_fraction: in place of ``warmup_steps``, the share of all steps that the warmup takes;
        the lecture's is 0.05.

    Raises:
      ValueError: the warmup is negative, no whole number of steps or not shorter than the whole.
      TypeError: no ``decay_steps``.

    >>> schedule = warmup_cosine_decay_schedule(0.0, 1.0, decay_steps=1000, warmup_fraction=0.05)
    >>> [round(float(schedule(t)), 4) for t in (0, 25, 50, 525, 1000)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    who = "warmup_cosine_decay_schedule"
    if decay_steps is None:
        raise TypeError(f"{who}: decay_steps, the steps of the whole schedule, must be given.")
    numbers.check(who, decay_steps=(decay_steps, "(0, inf)"))
    warmup = number_of_steps(who, "warmup", warmup_steps, warmup_fraction, decay_steps, fewer=True)
    alpha = 0.0 if numbers.is_number(peak_value, 0) else end_value / peak_value
    return join_schedules(
        [
            linear_schedule(init_value, peak_value, warmup),
            cosine_decay_schedule(peak_value, decay_steps - warmup, alpha, exponent),
        ],
        [warmup],
    )


@described
def sgdr_schedule(cosine_kwargs: Iterable[Mapping[str, Any]]) -> Schedule:
    """Cosine annealing with warm restarts, each cycle a warmup and a cosine of its own.

    Args:
      cosine_kwargs: for each cycle the arguments of :func:`warmup_cosine_decay_schedule`.

    Raises:
      ValueError: no cycle, or a wrong one.

    Loshchilov & Hutter, *SGDR*, arXiv 1608.03983.

    >>> cycle = dict(init_value=0.0, peak_value=1.0, warmup_steps=2, decay_steps=10)
    >>> schedule = sgdr_schedule([cycle, cycle | {"peak_value": 0.5}])
    >>> [float(schedule(t)) for t in (2, 12)]
    [1.0, 0.5]
    """
    cycles = [dict(kwargs) for kwargs in cosine_kwargs]
    if not cycles:
        raise ValueError("sgdr_schedule: cosine_kwargs must have at least one cycle, got none.")
    ends = [sum(c["decay_steps"] for c in cycles[: i + 1]) for i in range(len(cycles))]
    return join_schedules([warmup_cosine_decay_schedule(**c) for c in cycles], ends[:-1])
