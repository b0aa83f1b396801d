"""Gradient transformations, by idea."""
