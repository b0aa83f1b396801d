"""Transformations that decide when another one runs, or on what."""
