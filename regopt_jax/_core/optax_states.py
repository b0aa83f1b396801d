"""Optax's state types that it does not export: the only imports from its private modules.

And what its line searches say when they fail, which programs look for in what is printed.
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

__all__ = [
    "FLAG_CURVATURE_COND_NOT_SATISFIED",
    "FLAG_INTERVAL_NOT_FOUND",
    "FLAG_INTERVAL_TOO_SMALL",
    "FLAG_NOT_A_DESCENT_DIRECTION",
    "FLAG_NO_STEPSIZE_FOUND",
    "BacktrackingLinesearchInfo",
    "ScaleByDistanceOverGradientsState",
    "ScaleByOptimisticGradientState",
    "ScaleByRStdDevWithCountState",
    "ScaleByRmsWithCountState",
    "SplitRealAndImaginaryArrays",
    "WeightDecaySchedule",
    "WrappedScheduleState",
]
