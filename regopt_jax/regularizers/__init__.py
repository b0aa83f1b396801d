"""Regularisers, and the places where they can act."""
