"""Solvers that run to a stationary point of a loss plus a regulariser."""
