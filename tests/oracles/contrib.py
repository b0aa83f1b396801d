"""The formulas of Optax's contributed optimisers; see ``formulas.py``."""

import numpy as np

from tests.oracles.formulas import each, recall


def schedule_free(base, rate, b1, power=2.0):
    """Defazio et al., algorithm 1, with x kept instead of found from y and z."""
    memory = {}

    def oracle(gradients, parameters, t):
        if t == 1:
            memory.update(z=parameters, x=parameters, largest=0.0, total=0.0)
        gamma = rate(t - 1) if callable(rate) else rate
        memory["largest"] = max(memory["largest"], gamma)
        weight = memory["largest"] ** power
        memory["total"] += weight
        c = weight / memory["total"] if memory["total"] else 0.0
        steps = base(gradients, parameters, t)
        memory["z"] = [z + u for z, u in zip(memory["z"], steps, strict=True)]
        pairs = list(zip(memory["x"], memory["z"], strict=True))
        memory["x"] = [(1 - c) * x + c * z for x, z in pairs]
        pairs = list(zip(memory["x"], memory["z"], strict=True))
        return [b1 * x + (1 - b1) * z - y for (x, z), y in zip(pairs, parameters, strict=True)]

    return oracle


def linear_warmup(peak, steps):
    return lambda t: peak * min(1.0, t / steps)


def newton_schulz(x, coefficients=(3.4445, -4.7750, 2.0315), steps=5, eps=1e-8):
    """X ← a X + (b A + c A²) X with A = X Xᴴ, from X of Frobenius norm 1."""
    a, b, c = coefficients
    x = x / (np.linalg.norm(x) + eps)
    for _ in range(steps):
        gram = x @ x.conj().T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


def muon(beta=0.95, eps=1e-8):
    """Jordan et al.: orthogonalise Dozat's mean; times √max(1, columns/rows)."""

    def formula(g, w, t, m):
        m.m = beta * recall(m, "m", 0.0) + (1 - beta) * g
        mean = beta * m.m / (1 - beta ** (t + 1)) + (1 - beta) * g / (1 - beta**t)
        rows, columns = g.shape
        return newton_schulz(mean, eps=eps) * np.sqrt(max(1.0, columns / rows) if rows else 1.0)

    return each(formula)


def normalize():
    """g / ‖g‖ with the norm of all arrays together."""

    def oracle(gradients, parameters, t):
        norm = np.sqrt(sum(np.sum(np.abs(g) ** 2) for g in gradients))
        return [g / norm for g in gradients]

    return oracle


def dog(distance, eps=1e-8):
    """Ivgi et al.: the largest distance so far over the root of all squared gradients."""
    memory = {"total": 0.0}

    def norm(arrays):
        return np.sqrt(sum(np.sum(np.abs(x) ** 2) for x in arrays))

    def oracle(gradients, parameters, t):
        if t == 1:
            memory.update(start=parameters, largest=distance(norm(parameters)))
        moved = [p - p0 for p, p0 in zip(parameters, memory["start"], strict=True)]
        memory["largest"] = max(memory["largest"], norm(moved))
        memory["total"] += norm(gradients) ** 2
        return [-memory["largest"] / np.sqrt(memory["total"] + eps) * g for g in gradients]

    return oracle


def madgrad(rate, momentum=0.9, eps=1e-6):
    """Defazio & Jelassi, algorithm 1, with ε added to the rate and to the cube root."""

    def formula(g, w, t, m):
        m.start = recall(m, "start", w)
        weight = ((rate(t - 1) if callable(rate) else rate) + eps) * np.sqrt(t)
        m.v = recall(m, "v", 0.0) + weight * g**2
        m.s = recall(m, "s", 0.0) + weight * g
        return (1 - momentum) * (m.start - m.s / (np.cbrt(m.v) + eps) - w)

    return each(formula)


def acprop(b1=0.9, b2=0.999, eps=1e-16, eps_root=1e-16):
    """Zhuang et al., algorithm 2, with g - m of the mean before g; the first root is 1."""

    def formula(g, w, t, m):
        mean, s = recall(m, "m", 0.0), recall(m, "s", 0.0)
        root = np.sqrt(s / (1 - b2 ** (t - 1))) if t > 1 else 1.0
        m.m = b1 * mean + (1 - b1) * g
        m.s = b2 * s + (1 - b2) * np.abs(g - mean) ** 2 + eps_root
        return g / (root + eps)

    return each(formula)


def simplified_ademamix(b1, b2, alpha, eps=1e-8, eps_root=0.0):
    """Morwani et al.: a trace and a multiple of the gradient, over Adam's root."""

    def formula(g, w, t, m):
        m.m = b1 * recall(m, "m", 0.0) + g
        m.r = b2 * recall(m, "r", 0.0) + (1 - b2) * np.abs(g) ** 2
        return (m.m + alpha(t - 1) * g) / (np.sqrt(m.r / (1 - b2**t) + eps_root) + eps)

    return each(formula)


def cocob(alpha=100.0, eps=1e-8):
    """Orabona & Tommasi, algorithm 2, with ε for the first largest gradient."""

    def formula(g, w, t, m):
        m.start = recall(m, "start", w)
        m.largest = np.maximum(recall(m, "largest", eps), np.abs(g))
        m.total = recall(m, "total", 0.0) + np.abs(g)
        m.reward = np.maximum(recall(m, "reward", 0.0) - g * (w - m.start), 0)
        m.theta = recall(m, "theta", 0.0) - g
        wealth = m.largest + m.reward
        fraction = m.theta / (m.largest * np.maximum(m.total + m.largest, alpha * m.largest))
        return m.start + fraction * wealth - w

    return each(formula)
