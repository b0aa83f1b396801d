"""Optax's state types that it does not export: the only imports from its private modules."""

from optax._src.transform import ScaleByRmsWithCountState, ScaleByRStdDevWithCountState
from optax.transforms._adding import WeightDecaySchedule

__all__ = ["ScaleByRStdDevWithCountState", "ScaleByRmsWithCountState", "WeightDecaySchedule"]
