"""Optax's state types that it does not export: the only imports from its private modules.

Also which fields of its states are never negative, or are sums; and what its line searches say
when they fail, which programs look for in what is printed.
"""

import optax

try:
    from optax._src.linesearch import (
        FLAG_CURVATURE_COND_NOT_SATISFIED,
        FLAG_INTERVAL_NOT_FOUND,
        FLAG_INTERVAL_TOO_SMALL,
        FLAG_NO_STEPSIZE_FOUND,
        FLAG_NOT_A_DESCENT_DIRECTION,
        BacktrackingLinesearchInfo,
    )
    from optax._src.transform import (
        ScaleByDistanceOverGradientsState,
        ScaleByOptimisticGradientState,
        ScaleByRmsWithCountState,
        ScaleByRStdDevWithCountState,
    )
    from optax.contrib._complex_valued import SplitRealAndImaginaryArrays
    from optax.schedules._inject import WrappedScheduleState
    from optax.transforms._adding import WeightDecaySchedule
except ImportError as error:
    raise ImportError(
        f"regopt_jax keeps its states in Optax's own types, one of which optax {optax.__version__} "
        f"has moved: {error}. Install a version of Optax that regopt_jax asks for."
    ) from error

# Averages and sums of squares, their maxima, and what is made of them: a step is divided by it.
NONNEGATIVE: dict[type, tuple[str, ...]] = {
    ScaleByRStdDevWithCountState: ("nu",),
    ScaleByRmsWithCountState: ("nu",),
    optax.FactoredState: ("v",),
    optax.ScaleByAdaDeltaState: ("e_g", "e_x"),
    optax.ScaleByAdamState: ("nu",),
    optax.ScaleByAdanState: ("n",),
    optax.ScaleByAmsgradState: ("nu", "nu_max"),
    optax.ScaleByBeliefState: ("nu",),
    optax.ScaleByRStdDevState: ("nu",),
    optax.ScaleByRmsState: ("nu",),
    optax.ScaleByRpropState: ("step_sizes",),
    optax.ScaleByRssState: ("sum_of_squares",),
    optax.contrib.COCOBState: ("scale", "subgradients", "reward"),
    optax.contrib.DAdaptAdamWState: ("exp_avg_sq",),
    optax.contrib.MadgradState: ("grad_sum_sq",),
    optax.contrib.MomoAdamState: ("exp_avg_sq",),
    optax.contrib.ProdigyState: ("exp_avg_sq",),
    optax.contrib.ScaleByAdemamixState: ("nu",),
    optax.contrib.ScaleBySimplifiedAdEMAMixState: ("n",),
}
# Sums of gradients over a few steps.
SUMS = frozenset({(optax.ApplyEvery, "grad_acc"), (optax.MultiStepsState, "acc_grads")})

__all__ = [
    "FLAG_CURVATURE_COND_NOT_SATISFIED",
    "FLAG_INTERVAL_NOT_FOUND",
    "FLAG_INTERVAL_TOO_SMALL",
    "FLAG_NOT_A_DESCENT_DIRECTION",
    "FLAG_NO_STEPSIZE_FOUND",
    "NONNEGATIVE",
    "SUMS",
    "BacktrackingLinesearchInfo",
    "ScaleByDistanceOverGradientsState",
    "ScaleByOptimisticGradientState",
    "ScaleByRStdDevWithCountState",
    "ScaleByRmsWithCountState",
    "SplitRealAndImaginaryArrays",
    "WeightDecaySchedule",
    "WrappedScheduleState",
]
