"""Proximal maps and placements in NumPy float64, solved another way than the library does.

Where the library has a closed form these find the root of the optimality condition.
"""

import numpy as np

from tests.oracles.formulas import adam, chain, each, recall


def proximal_sgd(rate, prox):
    """A gradient step, then ``prox(z, d)`` with d = 1/α."""
    return each(lambda g, w, t, m: prox(w - rate * g, 1 / rate) - w)


def proximal_adam(rate, prox, b1=0.9, b2=0.999, eps=1e-8):
    """Adam's step, then ``prox(z, d)`` with d = (√r̂ + ε)/α."""

    def formula(g, w, t, m):
        m.m = b1 * recall(m, "m", 0.0) + (1 - b1) * g
        m.r = b2 * recall(m, "r", 0.0) + (1 - b2) * g**2
        d = (np.sqrt(m.r / (1 - b2**t)) + eps) / rate
        return prox(w - m.m / (1 - b1**t) / d, d) - w

    return each(formula)


def elementwise(on_one):
    """A proximal map of one number, on arrays."""

    def prox(z, d):
        d = np.broadcast_to(d, z.shape)
        return np.array([on_one(*pair) for pair in zip(z.ravel(), d.ravel(), strict=True)]).reshape(
            z.shape
        )

    return prox


def power(strength, exponent):
    """argmin ½ d (x-z)² + λ |x|^q by the stationary points, the roots of a polynomial."""

    def on_one(z, d):
        size, k = abs(z), round(1 / (1 - exponent))
        # With x = s^k, k = 2 for q = ½ and 3 for q = ⅔: d (s^k - |z|) s + q λ = 0.
        coefficients = np.zeros(k + 2)
        coefficients[0], coefficients[-2], coefficients[-1] = d, -d * size, exponent * strength
        roots = np.roots(coefficients)
        real = roots[np.abs(roots.imag) < 1e-9 * (1 + np.abs(roots))].real
        candidates = [0.0, *(real[real > 0] ** k)]
        objective = [d / 2 * (x - size) ** 2 + strength * x**exponent for x in candidates]
        return np.sign(z) * candidates[int(np.argmin(objective))]

    return elementwise(on_one)


def counting(strength):
    """argmin ½ d (x-z)² + λ [x ≠ 0]: keep z where that costs less than zero does."""
    return lambda z, d: np.where(d * z**2 / 2 > strength, z, 0)


def huber(strength, delta):
    """argmin of a convex function by bisection of its derivative."""

    def prox(z, d):
        low, high = np.minimum(z, 0.0), np.maximum(z, 0.0)
        for _ in range(200):
            x = (low + high) / 2
            slope = d * (x - z) + strength * np.clip(x / delta, -1, 1)
            low, high = np.where(slope < 0, x, low), np.where(slope < 0, high, x)
        return (low + high) / 2

    return prox


def groups(strength):
    """Group lasso over the last axis, by bisection for the norm of each group's solution."""

    def prox(z, d):
        if z.ndim < 2:
            return z
        axes = tuple(range(z.ndim - 1))
        d = np.broadcast_to(d, z.shape)
        size = np.sqrt(np.sum(z**2, axis=axes, keepdims=True))
        low, high = np.zeros_like(size), size + 1e-300
        for _ in range(300):
            t = (low + high) / 2
            inside = np.sqrt(np.sum((d * z / (d * t + strength)) ** 2, axis=axes, keepdims=True))
            low, high = np.where(inside > 1, t, low), np.where(inside > 1, high, t)
        t = (low + high) / 2
        pull = np.sqrt(np.sum((d * z) ** 2, axis=axes, keepdims=True))
        return np.where(pull > strength, d * t * z / (d * t + strength), 0)

    return prox


def independent(rate, peak, strength):
    """W ← W - αu - (α/α_peak) λW under Adam."""

    def decay(g, w, t, m):
        return -rate(t - 1) * (g + strength / peak * w)

    return chain(adam(), each(decay))
