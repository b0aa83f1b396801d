"""What scales whole arrays, and Adafactor, in NumPy float64 as the papers have it."""

import numpy as np

from tests.oracles.formulas import each, recall


def norm(x):
    return np.sqrt(np.sum(np.abs(x) ** 2))


def rms(x):
    return norm(x) / np.sqrt(max(x.size, 1))


def trust_ratio(min_norm=0.0, coefficient=1.0, eps=0.0):
    """You et al.: g · η ‖w‖ / (‖g‖ + ε), and g where a norm is zero."""

    def formula(g, w, t, m):
        weight, step = max(norm(w), min_norm), max(norm(g), min_norm)
        return g if weight == 0 or step == 0 else g * coefficient * weight / (step + eps)

    return each(formula)


def param_block_rms(min_scale=1e-3):
    return each(lambda g, w, t, m: g * max(rms(w), min_scale))


def block_rms_clip(threshold):
    return each(lambda g, w, t, m: g / max(1.0, rms(g) / threshold))


def factored_rms(power=0.8, shortest=128, eps=1e-30, offset=0):
    """Shazeer & Stern, algorithm 4, over the two largest axes; algorithm 2 for vectors."""

    def formula(g, w, t, m):
        decay = 1 - (t - offset) ** -power
        square = np.abs(g) ** 2 + eps
        order = np.argsort(g.shape, kind="stable")
        if g.ndim < 2 or g.shape[order[-2]] < shortest:
            m.v = decay * recall(m, "v", 0.0) + (1 - decay) * square
            return g / np.sqrt(m.v)
        a, b = (int(axis) for axis in order[-2:])
        m.rows = decay * recall(m, "rows", 0.0) + (1 - decay) * square.mean(b, keepdims=True)
        m.columns = decay * recall(m, "columns", 0.0) + (1 - decay) * square.mean(a, keepdims=True)
        return g / np.sqrt(m.rows * m.columns / m.rows.mean(a, keepdims=True))

    return each(formula)


def distance_over_gradients(reps_rel=1e-6, eps=1e-8, scale=1.0):
    """Ivgi et al., layer by layer: η = max distance / √(Σ‖g‖² + ε)."""

    def formula(g, w, t, m):
        if t == 1:
            m.start, m.squares, m.distance = w.copy(), 0.0, reps_rel * (1 + norm(w))
        m.distance = max(m.distance, norm(w - m.start))
        m.squares += norm(g) ** 2
        return scale * m.distance / np.sqrt(m.squares + eps) * g

    return each(formula)


def polyak(value, f_min=0.0, most=1.0, eps=0.0, positive=False):
    def oracle(gradients, parameters, t):
        square = sum(norm(g) ** 2 for g in gradients) + eps
        gap = max(value - f_min, 0.0) if positive else value - f_min
        return [g * min(gap / square, most) for g in gradients]

    return oracle


def normalize(scale, eps):
    def oracle(gradients, parameters, t):
        size = np.sqrt(sum(norm(g) ** 2 for g in gradients)) + eps
        return [scale * g / size for g in gradients]

    return oracle


def fromage(rate):
    """Bernstein et al.: the step, then the whole point over √(1 + α²)."""

    def formula(g, w, t, m):
        alpha = rate(t - 1) if callable(rate) else rate
        return (w - alpha * norm(w) / norm(g) * g) / np.sqrt(1 + alpha**2) - w if g.size else g

    return each(formula)


def optimistic(alpha=1.0, beta=1.0):
    def formula(g, w, t, m):
        before, m.g = recall(m, "g", g), g
        return alpha * g + beta * (g - before)

    return each(formula)


def unit_axes(x):
    """All of a vector, else all inputs of an output by the layout of the weights."""
    if np.squeeze(x).ndim <= 1:
        return tuple(range(x.ndim))
    return (0,) if x.ndim <= 3 else tuple(range(x.ndim - 1))


def adaptive_grad_clip(clipping, eps=1e-3):
    """Brock et al.: each unit's gradient within λ max(‖w‖, ε)."""

    def formula(g, w, t, m):
        def sizes(x):
            return np.sqrt(np.sum(np.abs(x) ** 2, axis=unit_axes(x), keepdims=True))

        most = clipping * np.maximum(sizes(w), eps)
        return g * np.minimum(1.0, most / np.maximum(sizes(g), 1e-6))

    return each(formula)


def centralize():
    def formula(g, w, t, m):
        return g - g.mean(tuple(range(1, g.ndim)), keepdims=True) if g.ndim > 1 else g

    return each(formula)


def zero_nans():
    return each(lambda g, w, t, m: np.nan_to_num(g, nan=0.0, posinf=np.inf, neginf=-np.inf))


def nonnegative():
    return each(lambda g, w, t, m: np.maximum(g, -w))
