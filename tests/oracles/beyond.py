"""Algorithms that Optax lacks, as their papers or their authors' code have them, in float64."""

import numpy as np

from tests.oracles.formulas import each, recall


def mean(x):
    return x.mean() if x.size else 0.0


def cautious(inner, sign=1):
    """C-Optim: φ = [u · g > 0]; u φ / max(mean φ, 1e-3); steps have sign -1."""

    def oracle(gradients, parameters, t):
        updates = inner(gradients, parameters, t)
        agree = [sign * (u * g.conj()).real > 0 for u, g in zip(updates, gradients, strict=True)]
        return [u * a / max(mean(a), 1e-3) for u, a in zip(updates, agree, strict=True)]

    return oracle


def stable_adamw(rate, b1=0.9, b2=0.99, eps=1e-8, weight_decay=0.0, threshold=1.0):
    """Wortsman et al., algorithm 2: the decays, not the moments, are corrected for bias."""

    def formula(g, w, t, m):
        d1, d2 = (b * (1 - b ** (t - 1)) / (1 - b**t) for b in (b1, b2))
        m.v = d1 * recall(m, "v", 0.0) + (1 - d1) * g
        m.u = d2 * recall(m, "u", 0.0) + (1 - d2) * np.abs(g) ** 2
        rms = np.sqrt(mean(np.abs(g) ** 2 / np.maximum(m.u, eps**2)))
        alpha = rate / max(1.0, rms / threshold)
        return -alpha * (m.v / (np.sqrt(m.u) + eps) + weight_decay * w)

    return each(formula)


def mars_correction(b1=0.95, gamma=0.025):
    """c = g + γ β₁/(1-β₁) (g - g₋)."""

    def formula(g, w, t, m):
        c = g + gamma * b1 / (1 - b1) * (g - recall(m, "last", 0.0))
        m.last = g
        return c

    return each(formula)


def clip_by_leaf_norm(max_norm):
    """g / (‖g‖/c) if ‖g‖ > c."""

    def formula(g, w, t, m):
        norm = np.sqrt(np.sum(np.abs(g) ** 2))
        return g * max_norm / norm if norm > max_norm else g

    return each(formula)


def adam_accumulation(every_k, b1=0.9, b2=0.999, eps=1e-8):
    """AdamA: the moments decay with the first of k gradients and take each, over k, as it comes."""

    def formula(g, w, t, m):
        fresh = (t - 1) % every_k == 0
        m.m = (b1 if fresh else 1.0) * recall(m, "m", 0.0) + (1 - b1) * g / every_k
        m.v = (b2 if fresh else 1.0) * recall(m, "v", 0.0) + (1 - b2) * np.abs(g / every_k) ** 2
        if t % every_k:
            return np.zeros_like(g)
        s = t // every_k
        return m.m / (1 - b1**s) / (np.sqrt(m.v / (1 - b2**s)) + eps)

    return each(formula)


def on_steps(every_k, inner):
    """``inner`` on every k-th update, counted anew; zeros stay zeros."""

    def oracle(gradients, parameters, t):
        return gradients if t % every_k else inner(gradients, parameters, t // every_k)

    return oracle


def factored_axes(shape, longest):
    return [i for i, n in enumerate(shape) if 1 < n <= longest] if 0 not in shape else []


def fibres(x, axis):
    """An axis of an array as the rows of a matrix."""
    return np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1)


def turn(x, matrices, axes):
    for matrix, axis in zip(matrices, axes, strict=True):
        x = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
    return x


def soap(b1=0.95, b2=0.95, eps=1e-8, every_k=10, longest=10_000):
    """Vyas et al., algorithms 3 and 4, with a basis for each axis; the first step only sets them.

    The basis is the eigenvectors at first, then the Q of a QR factorisation of H Q, with Q's
    columns, and the second moment's entries, in the order of their Rayleigh quotients.
    """

    def formula(g, w, t, m):
        axes = factored_axes(g.shape, longest) if g.ndim > 1 else []
        squares = [fibres(g, axis) @ fibres(g, axis).conj().T for axis in axes]
        if t == 1:
            m.m, m.v = np.zeros_like(g), np.zeros(g.shape)
            m.H = [(1 - b2) * h for h in squares]
            m.Q = [np.linalg.eigh(h)[1] for h in m.H]
            return np.zeros_like(g)
        s, into = t - 1, [q.conj().T for q in m.Q]
        m.m = b1 * m.m + (1 - b1) * g
        m.v = b2 * m.v + (1 - b2) * np.abs(turn(g, into, axes)) ** 2
        direction = turn(m.m / (1 - b1**s), into, axes) / (np.sqrt(m.v / (1 - b2**s)) + eps)
        u = turn(direction, m.Q, axes)
        m.H = [b2 * h + (1 - b2) * x for h, x in zip(m.H, squares, strict=True)]
        if s % every_k == 0:
            for i, axis in enumerate(axes):
                power = m.H[i] @ m.Q[i]
                order = np.argsort(-np.einsum("ij,ij->j", m.Q[i].conj(), power).real)
                m.v = np.take(m.v, order, axis)
                m.Q[i] = np.linalg.qr(power[:, order])[0]
        return u

    return each(formula)


def shampoo(eps=1e-4, every_k=1, longest=10_000, decay=None):
    """Gupta et al., algorithm 2: H from εI, G times every H to the power -1/(2 · number of H)."""

    def formula(g, w, t, m):
        axes = factored_axes(g.shape, longest)
        squares = [fibres(g, axis) @ fibres(g, axis).conj().T for axis in axes]
        squares = squares or [np.abs(g) ** 2]
        old, new = (1.0, 1.0) if decay is None else (decay, 1 - decay)
        before = recall(m, "H", [0.0] * len(squares))
        m.H = [old * h + new * x for h, x in zip(before, squares, strict=True)]
        if not axes:
            return g / np.sqrt(m.H[0] + eps)
        if (t - 1) % every_k == 0:
            m.roots = [power(h + eps * np.eye(len(h)), -0.5 / len(axes)) for h in m.H]
        return turn(g, m.roots, axes)

    return each(formula)


def power(h, exponent):
    """By the singular values, which are the eigenvalues."""
    u, s, _ = np.linalg.svd(h, hermitian=True)
    return u * s**exponent @ u.conj().T


def orthogonal_momentum(beta=0.95, nesterov=True):
    """Muon: the mean gradient, looking ahead as NAdam does, with its singular values near 1."""

    def formula(g, w, t, m):
        m.m = beta * recall(m, "m", 0.0) + (1 - beta) * g
        if nesterov:
            mean = beta * m.m / (1 - beta ** (t + 1)) + (1 - beta) * g / (1 - beta**t)
        else:
            mean = m.m / (1 - beta**t)
        return newton_schulz(mean) if g.size else g

    return each(formula)


def newton_schulz(x, steps=5):
    """Jordan's quintic iteration from X / ‖X‖."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = x / (np.linalg.norm(x) + 1e-8)
    for _ in range(steps):
        s = x @ x.conj().T
        x = a * x + (b * s + c * s @ s) @ x
    return x


def neuron_rms(b2=0.95, eps=1e-10, rms=0.2):
    """Li et al., algorithm 1, lines 5 to 8, with neurons along the last axis."""

    def formula(g, w, t, m):
        if g.size == 0:
            return g
        columns = g.reshape(-1, g.shape[-1]) if g.ndim else g.reshape(1, 1)
        m.v = b2 * recall(m, "v", 0.0) + (1 - b2) * np.mean(np.abs(columns) ** 2, axis=0)
        scaled = columns / (np.sqrt(m.v) + eps)
        whole = np.linalg.norm(scaled)
        return (rms * np.sqrt(g.size) * scaled / whole if whole else scaled).reshape(g.shape)

    return each(formula)
