"""Sophia: momentum over curvature, clipped."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax.contrib import SophiaState as SophiaState

from regopt_jax._core import (
    GradientTransformation,
    fields,
    leafwise,
    matching,
    transformation,
    wrap,
)
from regopt_jax._core.arithmetic import square_like, zeros_like
from regopt_jax._core.foreign import as_transformation
from regopt_jax._core.modes import run_or_hold
from regopt_jax._core.trees import Array, ArrayLike, PyTree
from regopt_jax.transforms.hutchinson_estimator_diag_hessian import (
    hutchinson_estimator_diag_hessian,
)
from regopt_jax.transforms.moments import bias, moving_average, unbiased
from regopt_jax.transforms.norms import nonzero

HUTCHINSON = hutchinson_estimator_diag_hessian()


@transformation(
    b1="[0, 1)",
    b2="[0, 1)",
    eps="[0, inf)",
    gamma="[0, inf)",
    clip_threshold="(0, inf) or None",
    update_interval="integer [1, inf)",
    print_win_rate_every_n_steps="integer [0, inf)",
)
def scale_by_sophia(
    b1: ArrayLike = 0.965,
    b2: ArrayLike = 0.99,
    eps: ArrayLike = 1e-8,
    gamma: ArrayLike = 0.01,
    clip_threshold: ArrayLike | None = 1.0,
    update_interval: int = 10,
    hessian_diagonal_fn: optax.GradientTransformation = HUTCHINSON,
    mu_dtype: Any = None,
    verbose: bool = False,
    print_win_rate_every_n_steps: int = 0,
) -> GradientTransformation:
    r"""Divide the momentum by a mean of the Hessian's diagonal, and clip (Sophia).

    .. math:: m_t &= β_1 m_{t-1} + (1-β_1) g_t, \qquad
       u_t = \operatorname{clip}\left(\frac{\hat m_t}{\max(γ h_{t-1}, ε)}, ±ρ\right) \\
       h_t &= β_2 h_{t-1} + (1-β_2) \hat h_t \text{ every k steps from the first on, else }
       h_{t-1}

    As in Optax, m is corrected for its start from zero, and a step sees the curvature of the
    steps before it, of which the first has none; the paper corrects nothing and measures first.

    Args:
      b1, b2: β₁, β₂ in [0, 1).
      eps: ε ≥ 0.
      gamma: γ ≥ 0; larger, and fewer elements are clipped.
      clip_threshold: ρ > 0; nothing is clipped when ``None``.
      update_interval: k ≥ 1.
      hessian_diagonal_fn: a transformation of the gradient into the estimate ĥ, which gets
        the extra arguments of ``update``; Hutchinson's needs ``obj_fn``, the loss as a function
        of the parameters.
      mu_dtype: dtype of m; the parameters' when ``None``.
      verbose, print_win_rate_every_n_steps: print how large a part is not clipped, every so
        many steps.

    Raises:
      TypeError: (from ``init``) complex parameters, by path.
      ValueError: a hyperparameter out of its range; from ``update``, no parameters.

    Liu et al., *Sophia*, arXiv 2305.14342.

    >>> import jax.numpy as jnp
    >>> tx, w = scale_by_sophia(b1=0.0, b2=0.0, gamma=1.0), jnp.array([1.0, 2.0])
    >>> g, loss = jnp.array([3.0, 3.0]), lambda w: jnp.sum(w**3)
    >>> _, state = tx.update(g, tx.init(w), w, obj_fn=loss)
    >>> tx.update(g, state, w, obj_fn=loss)[0].tolist()
    [0.5, 0.25]
    """
    name = "scale_by_sophia"
    part = as_transformation(hessian_diagonal_fn)

    def direction(g: Array, m: Array, h: Array, correction: Array) -> tuple[Array, Array, Array]:
        m = moving_average(g, m, b1)
        u = unbiased(m, correction) / nonzero(jnp.maximum(gamma * h, eps))
        if clip_threshold is not None:
            bound = jnp.asarray(clip_threshold, u.dtype)
            u = jnp.clip(u, -bound, bound)
        return u, m, h

    stepping = leafwise(
        direction,
        role="precondition",
        state=optax.ScaleByAdamState,
        init=lambda p: (zeros_like(p, mu_dtype), square_like(p)),
        context=lambda step: bias(b1, optax.safe_increment(step.count)),
        check=matching.check_real,
    )
    averaging = leafwise(
        lambda estimate, h: (estimate, moving_average(estimate, h, b2)),
        role="unknown",
        state=optax.TraceState,
        init=square_like,
    )

    def init(params: PyTree) -> SophiaState:
        count, mu, nu = stepping.init(params)
        return SophiaState(count=count, mu=mu, nu=nu, hessian_fn_state=part.init(params))

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, SophiaState]:
        if params is None:
            raise matching.params_needed(name, updates)

        def measured(nu: PyTree, inner: Any) -> tuple[PyTree, Any]:
            estimate, inner = part.update(updates, inner, params, **extra)
            return averaging.update(estimate, optax.TraceState(nu))[1].trace, inner

        def kept(nu: PyTree, inner: Any) -> tuple[PyTree, Any]:
            return nu, inner

        moments = optax.ScaleByAdamState(state.count, state.mu, state.nu)
        out, (count, mu, nu) = stepping.update(updates, moments)
        due = jnp.equal(state.count % update_interval, 0)
        nu, inner = run_or_hold(due, measured, kept, nu, state.hessian_fn_state)
        if verbose and clip_threshold is not None and print_win_rate_every_n_steps:
            jax.lax.cond(
                jnp.equal(count % print_win_rate_every_n_steps, 0),
                lambda out: jax.debug.print("Sophia's win rate: {}", _share(out, clip_threshold)),
                lambda out: None,
                out,
            )
        return out, SophiaState(count=count, mu=mu, nu=nu, hessian_fn_state=inner)

    return wrap(
        part,
        init=init,
        update=update,
        lens=fields("hessian_fn_state"),
        mixes=True,
        count=lambda state: state.count,
    )


def _share(updates: PyTree, bound: ArrayLike) -> Array:
    """The share of elements within the bound."""
    leaves = jax.tree.leaves(updates)
    within = sum(jnp.sum(jnp.abs(u) < bound) for u in leaves)
    return jnp.asarray(within / sum(u.size for u in leaves))
