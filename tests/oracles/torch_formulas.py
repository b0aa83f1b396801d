"""What PyTorch's Adafactor and Muon compute, in NumPy float64."""

import numpy as np

from tests.oracles.formulas import each, recall


def rms(x):
    return np.sqrt(np.sum(np.abs(x) ** 2) / max(x.size, 1))


def mean(x, axis):
    return np.sum(x, axis, keepdims=True) / max(x.shape[axis], 1)


def adafactor(rate, power=-0.8, eps1=2.0**-52, eps2=1e-3, d=1.0):
    """Without the learning rate, which only bounds: min(α, 1/√t) = α min(1, 1/(α√t))."""

    def formula(g, w, t, m):
        new = t**power
        if g.ndim < 2:
            m.v = (1 - new) * recall(m, "v", 0.0) + new * np.abs(g) ** 2
            estimate = m.v
        else:
            m.rows = (1 - new) * recall(m, "rows", 0.0) + new * mean(np.abs(g) ** 2, -1)
            m.columns = (1 - new) * recall(m, "columns", 0.0) + new * mean(np.abs(g) ** 2, -2)
            estimate = m.rows @ m.columns / np.maximum(mean(m.rows, -2), eps1)
        u = g / np.sqrt(np.maximum(estimate, eps1**2))
        size = max(eps2, rms(w)) * min(1.0, 1 / (rate * np.sqrt(t)))
        return size * u / max(1.0, rms(u) / d)

    return each(formula)


def newton_schulz(x, coefficients=(3.4445, -4.7750, 2.0315), steps=5, eps=1e-7):
    """The quintic on the singular values, by way of a singular value decomposition."""
    a, b, c = coefficients
    left, s, right = np.linalg.svd(x, full_matrices=False)
    s = s / max(np.sqrt(np.sum(s**2)), eps)
    for _ in range(steps):
        s = a * s + b * s**3 + c * s**5
    return (left * s) @ right


def muon(momentum=0.95, nesterov=True, match_rms=False):
    """The direction of a matrix, and its factor by shape."""

    def formula(g, w, t, m):
        m.m = momentum * recall(m, "m", 0.0) + (1 - momentum) * g
        x = momentum * m.m + (1 - momentum) * g if nesterov else m.m
        rows, columns = g.shape
        if g.size == 0:
            return g
        factor = 0.2 * np.sqrt(max(rows, columns)) if match_rms else np.sqrt(max(1, rows / columns))
        return factor * newton_schulz(x)

    return each(formula)
