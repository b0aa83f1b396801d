"""Mechanic: any optimiser, whose learning rate is learned on the way."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax.contrib import MechanicState as MechanicState

from regopt_jax._core import (
    GradientTransformation,
    arithmetic,
    as_transformation,
    fields,
    matching,
    vectors,
    wrap,
)
from regopt_jax._core.arithmetic import at_least_float32
from regopt_jax._core.decorator import transformation
from regopt_jax._core.modes import Mode
from regopt_jax._core.trees import Array, ArrayLike, PyTree
from regopt_jax.transforms.norms import nonzero, root


@transformation(
    weight_decay="[0, inf)", eps="[0, inf)", s_init="(0, inf)", num_betas="integer [1, inf)"
)
def mechanize(
    base_optimizer: optax.GradientTransformation,
    weight_decay: ArrayLike = 1e-2,
    eps: ArrayLike = 1e-8,
    s_init: ArrayLike = 1e-6,
    num_betas: int = 6,
) -> GradientTransformation:
    r"""Learn the factor on all that an optimiser has done since the start (Mechanic).

    .. math:: Δ_{t+1} &= Δ_t + u_t, \qquad W_{t+1} = W_0 + Δ_{t+1} \sum_i s_{t+1,i} \\
       h_t &= \Big\langle g_t + λ \sum_i s_{t,i} \frac{\lVert g_t\rVert}{\lVert W_t\rVert} W_t,
       -Δ_t \Big\rangle, \qquad m_{t,i} = \max(β_i m_{t-1,i}, |h_t| + ε) \\
       v_{t,i} &= β_i^2 v_{t-1,i} + h_t^2, \qquad
       r_{t,i} = β_i r_{t-1,i} + s_{t,i} \operatorname{clip}(h_t, ±m_{t-1,i}) \\
       s_{t+1,i} &= \frac{s_0 m_{t,i}/n + \max(0, r_{t,i})}{\sqrt{v_{t,i}} + ε},
       \qquad β_i = 1 - 10^{-i}, \quad i = 1 … n

    with u the optimiser's updates at a constant learning rate of 1, or under a schedule that
    has 1 as its largest value. Δ is not kept but found from the parameters.

    Args:
      base_optimizer: gives u.
      weight_decay: λ ≥ 0, of the gradient that is compared with Δ; W is not decayed.
      eps: ε ≥ 0.
      s_init: :math:`s_0` > 0, an underestimate of the learning rate.
      num_betas: n ≥ 1.

    Raises:
      ValueError: a hyperparameter out of its range; from ``update``, no parameters.

    Cutkosky, Defazio & Mehta, *Mechanic*, arXiv 2306.00144; the clipping is of the authors'
    code.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx, w = ro.mechanize(ro.sgd(1.0), s_init=0.5), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -1.5
    """
    name = "mechanize"
    part = as_transformation(base_optimizer)

    def init(params: PyTree) -> MechanicState:
        dtype = arithmetic.real_dtype(params)

        def each_beta(value: ArrayLike) -> Array:
            return jnp.full([num_betas], value, dtype)

        return MechanicState(
            base_optimizer_state=part.init(params),
            count=jnp.zeros([], jnp.int32),
            r=each_beta(0),
            m=each_beta(0),
            v=each_beta(0),
            s=each_beta(s_init),
            x0=matching.map_leaves(name, arithmetic.copied, params),
        )

    def learned(state: MechanicState, h: Array) -> dict[str, Array]:
        """The formula of the factors, on the vectors of one number for each β."""
        r, m, v, s = (jnp.asarray(x) for x in (state.r, state.m, state.v, state.s))
        betas = jnp.asarray([1 - 0.1**i for i in range(1, num_betas + 1)], s.dtype)
        h = h.astype(s.dtype)
        reward = betas * r + jnp.clip(h, -m, m) * s
        largest = jnp.maximum(betas * m, jnp.abs(h) + eps)
        squares = betas**2 * v + h**2
        wealth = s_init / num_betas * largest + jnp.maximum(reward, 0)
        factors = wealth / nonzero(root(squares) + eps)
        new: dict[str, Any] = {"r": reward, "m": largest, "v": squares, "s": factors}
        return {field: x.astype(s.dtype) for field, x in new.items()}

    def run(
        mode: Mode, updates: PyTree, state: Any, params: PyTree | None, extra: Any
    ) -> tuple[Any, MechanicState]:
        if params is None:
            raise matching.params_needed(name, updates)
        steps, inner = part.update(updates, state.base_optimizer_state, params, **extra)
        first, total = jnp.equal(state.count, 0), jnp.sum(jnp.asarray(state.s))
        start = matching.map_leaves(  # of weights that were exchanged after ``init`` too
            name, lambda p, x0: jnp.where(first, p, x0), params, start=state.x0
        )
        decay = weight_decay * total * vectors.global_norm(updates)
        decay = decay / nonzero(vectors.global_norm(params) + eps)

        def moved(p: Array, x0: Array) -> Array:
            """Δ, which was scaled by the factors that led here."""
            return (p - x0) / nonzero(total + eps)

        def agreement(g: Array, p: Array, x0: Array) -> Array:
            g, p, x0 = map(at_least_float32, (g, p, x0))
            return -jnp.sum(((g + decay * p).conj() * moved(p, x0)).real)

        each = matching.map_leaves(name, agreement, updates, parameters=params, start=start)
        with jax.numpy_dtype_promotion("standard"):
            new = learned(state, sum(jax.tree.leaves(each), start=jnp.zeros([], jnp.float32)))
        factor = jnp.sum(new["s"])

        def target(u: Array, p: Array, x0: Array) -> Array:
            return (x0 + factor * (moved(p, x0) + u)).astype(p.dtype)

        out = matching.map_leaves(name, target, steps, parameters=params, start=start)
        return mode.reach(name, out, params), MechanicState(
            base_optimizer_state=inner, count=optax.safe_increment(state.count), x0=start, **new
        )

    return wrap(
        part,
        init=init,
        run=run,
        lens=fields("base_optimizer_state"),
        mixes=True,
        count=lambda state: state.count,
    )
