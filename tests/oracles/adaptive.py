"""Where Optax is no oracle for an adaptive method: its formula in NumPy float64."""

import functools

import numpy as np

from tests.oracles.formulas import each, recall


def rprop(rate, shrink=0.5, grow=1.2, least=1e-6, most=50.0):
    """Riedmiller & Braun as in PyTorch: a turned sign costs a step, and is forgotten."""

    def formula(g, w, t, m):
        before = recall(m, "g", np.zeros_like(g))
        factor = np.select([g * before > 0, g * before < 0], [grow, shrink], 1.0)
        m.size = np.clip(recall(m, "size", rate) * factor, least, most)
        m.g = np.where(g * before < 0, 0.0, g)
        return m.size * np.sign(m.g)

    return each(formula)


def sm3(momentum=0.9, decay=1.0, eps=1e-8):
    """Anil et al., SM3-II, with one set of coordinates for each index of each axis."""

    def formula(g, w, t, m):
        if g.size == 0:
            return np.zeros_like(g)
        axes = range(max(g.ndim, 1))
        others = [tuple(j for j in range(g.ndim) if j != i) for i in axes]
        bounds = recall(m, "bounds", [0.0 for _ in axes])
        weight = 1 - decay if decay < 1 else 1.0
        s = decay * functools.reduce(np.minimum, bounds) + weight * np.abs(g) ** 2
        m.bounds = [np.max(s, axis=other, keepdims=True) for other in others]
        scaled = np.where(s > 0, g / np.sqrt(s + eps), 0)
        m.m = momentum * recall(m, "m", 0.0) + (1 - momentum) * scaled
        return m.m

    return each(formula)


def adan(b1=0.98, b2=0.92, b3=0.99, eps=1e-8, eps_root=0.0):
    """Xie et al., algorithm 1 with 1-β for β, its averages corrected for their start."""

    def formula(g, w, t, m):
        d = g - recall(m, "g", g)
        m.g = g
        m.m = b1 * recall(m, "m", 0.0) + (1 - b1) * g
        m.v = b2 * recall(m, "v", 0.0) + (1 - b2) * d
        m.n = b3 * recall(m, "n", 0.0) + (1 - b3) * np.abs(g + b2 * d) ** 2
        n = m.n / (1 - b3**t)
        ahead = m.m / (1 - b1**t) + b2 * m.v / (1 - b2**t)
        return ahead / (np.sqrt(n + eps_root) + eps)

    return each(formula)


def adadelta(rho=0.9, eps=1e-6):
    """Zeiler, algorithm 1, with squares of moduli."""

    def formula(g, w, t, m):
        m.r = rho * recall(m, "r", 0.0) + (1 - rho) * np.abs(g) ** 2
        x = recall(m, "x", 0.0)
        u = np.sqrt(x + eps) / np.sqrt(m.r + eps) * g
        m.x = rho * x + (1 - rho) * np.abs(u) ** 2
        return u

    return each(formula)


def novograd(b1=0.9, b2=0.25, eps=1e-8, weight_decay=lambda t: 0.0):
    """Ginsburg et al., algorithm 1, with the decay of each step."""

    def formula(g, w, t, m):
        square = np.sum(np.abs(g) ** 2)
        m.r = square if t == 1 else b2 * m.r + (1 - b2) * square
        m.m = b1 * recall(m, "m", 0.0) + g / (np.sqrt(m.r) + eps) + weight_decay(t - 1) * w
        return m.m

    return each(formula)
