"""The formulas in NumPy float64, as they stand in the papers, without the library or JAX.

An oracle is a function ``(gradients, parameters, t) -> updates`` on lists of arrays, with
t from 1 and a memory of its own. Most are one formula on one array, lifted by ``each``.
"""

import types

import numpy as np


def each(formula):
    """Lift ``formula(g, w, t, memory) -> u`` on one array to an oracle on lists."""
    memories = {}

    def oracle(gradients, parameters, t):
        return [
            formula(g, w, t, memories.setdefault(i, types.SimpleNamespace()))
            for i, (g, w) in enumerate(zip(gradients, parameters, strict=True))
        ]

    return oracle


def sign(z):
    """z/|z|, and 0 of 0: of a complex number, what NumPy calls so from its version 2 on."""
    size = np.abs(z)
    return z / np.where(size == 0, 1, size)


def recall(memory, name, otherwise):
    return getattr(memory, name, otherwise)


def chain(*oracles):
    def oracle(gradients, parameters, t):
        for step in oracles:
            gradients = step(gradients, parameters, t)
        return gradients

    return oracle


def scale(factor):
    """u = s g; a function is given the number of steps before this one."""
    return each(lambda g, w, t, m: (factor(t - 1) if callable(factor) else factor) * g)


def learning_rate(rate):
    """u = -α g."""
    return each(lambda g, w, t, m: -(rate(t - 1) if callable(rate) else rate) * g)


def trace(decay, nesterov=False, dampening=0.0):
    """v = ρ v + (1-d) g, the first step undampened; Nesterov's u = g + ρ v."""

    def formula(g, w, t, m):
        m.v = g.copy() if t == 1 else decay * m.v + (1 - dampening) * g
        return g + decay * m.v if nesterov else m.v

    return each(formula)


def trace_in_bfloat16(decay):
    """v = ρ v + g, of which arrays are kept as the nearest bfloat16, scalars as they are."""

    def nearest(x):
        if np.iscomplexobj(x):
            return nearest(x.real) + 1j * nearest(x.imag)
        bits = x.astype(np.float32).view(np.uint32)
        bits = bits + 0x7FFF + (bits >> 16 & 1) & 0xFFFF0000
        return bits.astype(np.uint32).view(np.float32).astype(x.dtype)

    def formula(g, w, t, m):
        v = decay * recall(m, "v", 0.0) + g
        m.v = nearest(v) if np.ndim(g) else v
        return v

    return each(formula)


def ema(decay, debias=True):
    """m = β m + (1-β) g; u = m / (1-βᵗ)."""

    def formula(g, w, t, m):
        m.m = decay * recall(m, "m", 0.0) + (1 - decay) * g
        return m.m / (1 - decay**t) if debias else m.m

    return each(formula)


def bias_correction(decay):
    return each(lambda g, w, t, m: g / (1 - decay**t))


def rms(decay=0.99, eps=1e-8, initial_scale=0.0, eps_in_sqrt=False, bias_correction=False):
    """r = γ r + (1-γ) |g|²; u = g / (√r + ε)."""

    def formula(g, w, t, m):
        m.r = decay * recall(m, "r", initial_scale) + (1 - decay) * np.abs(g) ** 2
        r = m.r / (1 - decay**t) if bias_correction else m.r
        return g / np.sqrt(r + eps) if eps_in_sqrt else g / (np.sqrt(r) + eps)

    return each(formula)


def stddev(decay=0.99, eps=1e-8, initial_scale=0.0, eps_in_sqrt=False, bias_correction=False):
    """Graves: the root of r - |m|² instead of r's."""

    def formula(g, w, t, m):
        m.m = decay * recall(m, "m", 0.0) + (1 - decay) * g
        m.r = decay * recall(m, "r", initial_scale) + (1 - decay) * np.abs(g) ** 2
        share = 1 - decay**t if bias_correction else 1.0
        variance = np.maximum(m.r / share - np.abs(m.m / share) ** 2, 0)
        return g / np.sqrt(variance + eps) if eps_in_sqrt else g / (np.sqrt(variance) + eps)

    return each(formula)


def rss(initial_accumulator_value=0.1, eps=1e-7):
    """s = s + |g|²; u = g / √(s + ε), and 0 where s = 0."""

    def formula(g, w, t, m):
        m.s = recall(m, "s", initial_accumulator_value) + np.abs(g) ** 2
        return np.where(m.s > 0, g / np.sqrt(np.where(m.s > 0, m.s, 1.0) + eps), 0.0)

    return each(formula)


def adam(b1=0.9, b2=0.999, eps=1e-8, eps_root=0.0, nesterov=False):
    """Kingma & Ba, algorithm 1; Dozat's look-ahead, with a constant β₁."""

    def formula(g, w, t, m):
        m.m = b1 * recall(m, "m", 0.0) + (1 - b1) * g
        m.r = b2 * recall(m, "r", 0.0) + (1 - b2) * np.abs(g) ** 2
        if nesterov:
            mean = b1 * m.m / (1 - b1 ** (t + 1)) + (1 - b1) * g / (1 - b1**t)
        else:
            mean = m.m / (1 - b1**t)
        return mean / (np.sqrt(m.r / (1 - b2**t) + eps_root) + eps)

    return each(formula)


def lion(b1=0.9, b2=0.99, mode="hard", smooth_beta=1.0):
    """Chen et al., program 1: interpolate, take the sign, then move the momentum."""

    def formula(g, w, t, m):
        before = recall(m, "m", 0.0)
        x = b1 * before + (1 - b1) * g
        m.m = b2 * before + (1 - b2) * g
        if mode == "smooth":
            return np.tanh(smooth_beta * x)
        return np.clip(x, -1, 1) if mode == "refined" else sign(x)

    return each(formula)


def clip(max_delta):
    return each(lambda g, w, t, m: np.clip(g, -max_delta, max_delta))


def clip_by_global_norm(max_norm):
    """g · min(1, c/‖g‖) with the norm of all arrays together."""

    def oracle(gradients, parameters, t):
        norm = np.sqrt(sum(np.sum(np.abs(g) ** 2) for g in gradients))
        return [g * min(1.0, max_norm / norm) for g in gradients]

    return oracle


def add_gradient_of(l1=0.0, l2=0.0, cautious=False):
    """u + λ₁ sign(w) + λ₂ w, the subgradient of λ₁‖w‖₁ + ½λ₂‖w‖²; strengths by step.

    Cautiously, only where it has the sign of u.
    """

    def formula(g, w, t, m):
        a, b = (s(t - 1) if callable(s) else s for s in (l1, l2))
        slope = a * sign(w) + b * w
        return g + np.where(g * slope >= 0, slope, 0) if cautious else g + slope

    return each(formula)


def constant_norm():
    """The step that leads to where W + u points, at the norm of W."""

    def formula(u, w, t, m):
        after = np.linalg.norm(np.ravel(w + u))
        ratio = np.linalg.norm(np.ravel(w)) / after if after > 0 else 1.0
        return (w + u) * ratio - w

    return each(formula)


def shrink(z, threshold):
    """The proximal map of ``threshold`` · |x|: towards zero, and no further."""
    return z - sign(z) * np.minimum(np.abs(z), threshold)


def ista(rate, l1=0.0, l2=0.0):
    """Iterative shrinkage: w ← soft(w - αg, αλ₁) / (1 + αλ₂); strengths by step."""

    def formula(g, w, t, m):
        a, b = (s(t - 1) if callable(s) else s for s in (l1, l2))
        alpha = rate(t - 1) if callable(rate) else rate
        return shrink(w - alpha * g, alpha * a) / (1 + alpha * b) - w

    return each(formula)


def proximal_adam(rate, b1=0.9, b2=0.999, eps=1e-8, l1=0.0, l2=0.0):
    """ProxGen: Adam's step, then the proximal map in its metric d = (√r̂ + ε)/α."""

    def formula(g, w, t, m):
        m.m = b1 * recall(m, "m", 0.0) + (1 - b1) * g
        m.r = b2 * recall(m, "r", 0.0) + (1 - b2) * np.abs(g) ** 2
        d = (np.sqrt(m.r / (1 - b2**t)) + eps) / rate
        return shrink(w - m.m / (1 - b1**t) / d, l1 / d) / (1 + l2 / d) - w

    return each(formula)


def where(test, inner, otherwise=None):
    """``inner`` on the arrays that pass ``test``, ``otherwise`` (or nothing) on the others."""

    def oracle(gradients, parameters, t):
        updates = list(gradients)
        for wanted, step in ((True, inner), (False, otherwise)):
            at = [i for i, w in enumerate(parameters) if test(w) == wanted]
            if step is not None:
                done = step([gradients[i] for i in at], [parameters[i] for i in at], t)
                for i, u in zip(at, done, strict=True):
                    updates[i] = u
        return updates

    return oracle


def accumulate(inner, every_k, mean=True, skip=lambda gradients: False):
    """One step of ``inner`` on the mean (or sum) of k gradients, zeros in between."""
    held, taken = [], [0]

    def oracle(gradients, parameters, t):
        zeros = [np.zeros_like(g) for g in gradients]
        if skip(gradients):
            return zeros
        held.append(gradients)
        if len(held) < (every_k(taken[0]) if callable(every_k) else every_k):
            return zeros
        share = 1 / len(held) if mean else 1.0
        total = [share * sum(gs) for gs in zip(*held, strict=True)]
        held.clear()
        taken[0] += 1
        return inner(total, parameters, taken[0])

    return oracle
