"""Schedules: pure functions from the number of updates done to a hyperparameter's value."""
