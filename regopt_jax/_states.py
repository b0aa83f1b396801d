"""Optax's state types that it does not export: the only imports from its private modules."""

from optax._src.transform import (
    ScaleByDistanceOverGradientsState,
    ScaleByOptimisticGradientState,
    ScaleByRmsWithCountState,
    ScaleByRStdDevWithCountState,
)
from optax.contrib._complex_valued import SplitRealAndImaginaryArrays
from optax.schedules._inject import WrappedScheduleState
from optax.transforms._adding import WeightDecaySchedule

__all__ = [
    "ScaleByDistanceOverGradientsState",
    "ScaleByOptimisticGradientState",
    "ScaleByRStdDevWithCountState",
    "ScaleByRmsWithCountState",
    "SplitRealAndImaginaryArrays",
    "WeightDecaySchedule",
    "WrappedScheduleState",
]
