"""Optax's state types that it does not export: the only imports from its private modules."""

import optax

try:
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
    "ScaleByDistanceOverGradientsState",
    "ScaleByOptimisticGradientState",
    "ScaleByRStdDevWithCountState",
    "ScaleByRmsWithCountState",
    "SplitRealAndImaginaryArrays",
    "WeightDecaySchedule",
    "WrappedScheduleState",
]
