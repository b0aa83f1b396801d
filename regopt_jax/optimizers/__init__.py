"""Optimisers, each a short chain."""
