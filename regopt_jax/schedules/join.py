"""Schedules made of others, one after the other."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from regopt_jax import _hyperparams
from regopt_jax._hyperparams import Schedule, described
from regopt_jax._trees import Array, ArrayLike
from regopt_jax.schedules.cosines import cosine_decay_schedule
from regopt_jax.schedules.shapes import as_float, exact, from_share, linear_schedule


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
    if not schedules:
        raise ValueError("join_schedules: at least one schedule is needed, got none.")
    if len(boundaries) != len(schedules) - 1:
        raise ValueError(
            f"join_schedules: {len(schedules)} schedules need {len(schedules) - 1} boundaries, "
            f"got {len(boundaries)}."
        )
    if list(boundaries) != sorted(boundaries):
        raise ValueError(f"join_schedules: boundaries must increase, got {list(boundaries)}.")

    def schedule(count: ArrayLike) -> Array:
        count = jnp.asarray(count)
        value = as_float(schedules[0](count))
        for boundary, following in zip(boundaries, schedules[1:], strict=True):
            value = jnp.where(count < boundary, value, as_float(following(count - boundary)))
        return value

    return schedule


@described
def warmup_cosine_decay_schedule(
    init_value: ArrayLike,
    peak_value: ArrayLike,
    warmup_steps: int | float,
    decay_steps: int,
    end_value: ArrayLike = 0.0,
    exponent: ArrayLike = 1.0,
) -> Schedule:
    """Rise linearly to the peak, then anneal along a cosine: the lecture's default.

    Args:
      init_value: the value at step 0.
      peak_value: the value after the warmup.
      warmup_steps: a number of steps, or a float between 0 and 1 for a share of
        ``decay_steps``; the lecture's is 0.05.
      decay_steps: the steps of the whole schedule, warmup included.
      end_value: the value after the last step.
      exponent: of the cosine.

    Raises:
      ValueError: the warmup is negative or not shorter than the whole.

    >>> schedule = warmup_cosine_decay_schedule(0.0, 1.0, 0.05, decay_steps=1000)
    >>> [round(float(schedule(t)), 4) for t in (0, 25, 50, 525, 1000)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    _hyperparams.check("warmup_cosine_decay_schedule", decay_steps=(decay_steps, "(0, inf)"))
    warmup_steps = from_share(warmup_steps, decay_steps)
    _hyperparams.check(
        "warmup_cosine_decay_schedule", warmup_steps=(warmup_steps, f"[0, {decay_steps})")
    )
    warmup = exact(warmup_steps)
    alpha = 0.0 if _hyperparams.is_number(peak_value, 0) else end_value / peak_value
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
