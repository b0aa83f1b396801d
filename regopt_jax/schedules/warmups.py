"""A linear warmup and what can follow it."""

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, Schedule, numbers
from regopt_jax._core.made import described
from regopt_jax.schedules.counts import as_float, number_of_steps, whole_steps
from regopt_jax.schedules.decays import exponential_decay
from regopt_jax.schedules.interpolation import Shape, check_shape, transition
from regopt_jax.schedules.join import join_schedules
from regopt_jax.schedules.shapes import constant_schedule, linear_schedule, linear_warmup

_COOLDOWNS = ("linear", "cosine", "1-sqrt")


@described
def warmup_constant_schedule(
    init_value: ArrayLike, peak_value: ArrayLike, warmup_steps: int
) -> Schedule:
    """Rise linearly to the peak and stay there: :func:`linear_warmup`.

    Args:
      init_value: the value at step 0.
      peak_value: the value after the warmup.
      warmup_steps: T, a whole number ≥ 0; with 0 the value is the peak from the start, which in
        Optax it never becomes.

    Raises:
      ValueError: ``warmup_steps`` is negative or not whole.

    >>> schedule = warmup_constant_schedule(0.0, 1.0, warmup_steps=4)
    >>> [float(schedule(t)) for t in (0, 1, 4, 100)]
    [0.0, 0.25, 1.0, 1.0]
    """
    warmup_steps = whole_steps("warmup_constant_schedule", "warmup_steps", warmup_steps)
    return linear_warmup(peak_value, warmup_steps, init_value)


@described
def warmup_exponential_decay_schedule(
    init_value: ArrayLike,
    peak_value: ArrayLike,
    warmup_steps: int,
    transition_steps: int,
    decay_rate: ArrayLike,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: ArrayLike | None = None,
) -> Schedule:
    """Rise linearly to the peak, then decay as :func:`exponential_decay` does.

    Args:
      init_value: the value at step 0.
      peak_value: the value after the warmup.
      warmup_steps: a whole number ≥ 0.
      transition_steps, decay_rate, transition_begin, staircase, end_value: of
        :func:`exponential_decay`, counted from the end of the warmup.

    Raises:
      ValueError: a hyperparameter out of its range.

    >>> schedule = warmup_exponential_decay_schedule(0.0, 1.0, 2, 10, decay_rate=0.25)
    >>> [float(schedule(t)) for t in (0, 1, 2, 7)]
    [0.0, 0.5, 1.0, 0.5]
    """
    warmup_steps = whole_steps("warmup_exponential_decay_schedule", "warmup_steps", warmup_steps)
    decay = exponential_decay(
        peak_value, transition_steps, decay_rate, transition_begin, staircase, end_value
    )
    return join_schedules(
        [linear_schedule(init_value, peak_value, warmup_steps), decay], [warmup_steps]
    )


@described
def warmup_stable_decay_schedule(
    init_value: ArrayLike,
    peak_value: ArrayLike,
    warmup_steps: int | None = None,
    total_steps: int | None = None,
    decay_steps: int | None = None,
    end_value: ArrayLike = 0.0,
    cooldown: Shape = "1-sqrt",
    *,
    warmup_fraction: float | None = None,
    decay_fraction: float | None = None,
) -> Schedule:
    r"""Rise linearly to the peak, stay there, and cool down at the end (WSD).

    With x the share of the cooldown that is done,

    .. math:: s = P\,(1-c(x)) + E\,c(x), \qquad
       c(x) = x, \quad \tfrac12(1-\cos πx) \quad\text{or}\quad \sqrt x

    Args:
      init_value: the value at step 0.
      peak_value: P.
      warmup_steps: a whole number of steps ≥ 0.
      total_steps: the steps of the whole schedule; it must be given.
      decay_steps: the length of the cooldown, a whole number of steps; with 0 the value stays
        at the peak.
      end_value: E, after the last step.
      cooldown: c, ``"linear"``, ``"cosine"`` or ``"1-sqrt"``.
      warmup_fraction, decay_fraction: in place of the steps, shares of all in [0, 1]; that of the
        cooldown is 0.2 where neither is given.

    Raises:
      ValueError: the warmup and the cooldown do not fit into the whole, or are no whole numbers of
        steps; another ``cooldown``.
      TypeError: no ``total_steps``.

    Hu et al., *MiniCPM*, arXiv 2404.06395; Hägele et al., *Scaling laws and
    compute-optimal training beyond fixed training durations*, arXiv 2405.18392.

    >>> schedule = warmup_stable_decay_schedule(0.0, 1.0, 100, 1000, cooldown="linear")
    >>> [float(schedule(t)) for t in (0, 50, 100, 800, 900, 1000)]
    [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]
    """
    who = "warmup_stable_decay_schedule"
    check_shape(who, "cooldown", cooldown, _COOLDOWNS)
    if total_steps is None:
        raise TypeError(f"{who}: total_steps must be given.")
    total_steps = whole_steps(who, "total_steps", total_steps, "[1, inf)")
    if decay_steps is None and decay_fraction is None:
        decay_fraction = 0.2
    warmup = number_of_steps(who, "warmup", warmup_steps, warmup_fraction, total_steps)
    decay = number_of_steps(who, "decay", decay_steps, decay_fraction, total_steps)
    if warmup + decay > total_steps:
        raise ValueError(
            f"{who}: decay_steps must be in [0, {total_steps - warmup}], what the warmup of "
            f"{warmup} leaves of {total_steps}; got {decay}."
        )
    return join_schedules(
        [
            linear_schedule(init_value, peak_value, warmup),
            constant_schedule(peak_value),
            transition(cooldown, peak_value, end_value, decay),
        ],
        [warmup, total_steps - decay],
    )


@described
def inverse_sqrt_schedule(
    peak_value: ArrayLike,
    warmup_steps: int,
    init_value: ArrayLike = 0.0,
    timescale: int | None = None,
) -> Schedule:
    r"""Rise linearly to the peak, then fall as one over the root of the step.

    .. math:: s(t) = P\,\sqrt{\frac{c}{c + t - w}} \quad (t ≥ w),
       \qquad c = w: \; s(t) = P \min\left(\frac tw, \sqrt{\frac wt}\right)

    Args:
      peak_value: P.
      warmup_steps: w, a whole number ≥ 0.
      init_value: the value at step 0.
      timescale: c ≥ 1; w, or 1 without a warmup, when ``None``.

    Raises:
      ValueError: a hyperparameter out of its range.

    Vaswani et al., *Attention is all you need*, arXiv 1706.03762, section 5.3.

    >>> schedule = inverse_sqrt_schedule(1.0, warmup_steps=100)
    >>> [float(schedule(t)) for t in (50, 100, 400)]
    [0.5, 1.0, 0.5]
    """
    warmup_steps = whole_steps("inverse_sqrt_schedule", "warmup_steps", warmup_steps)
    scale = max(warmup_steps, 1) if timescale is None else timescale
    numbers.check("inverse_sqrt_schedule", timescale=(scale, "[1, inf)"))

    def decay(count: ArrayLike) -> Array:
        c = as_float(scale)
        return as_float(peak_value) * jnp.sqrt(c / (c + as_float(jnp.maximum(count, 0))))

    return join_schedules(
        [linear_schedule(init_value, peak_value, warmup_steps), decay], [warmup_steps]
    )
