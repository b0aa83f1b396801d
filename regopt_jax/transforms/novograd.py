r"""NovoGrad: one second moment a layer, and momentum after the division."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import optax

from regopt_jax import _hyperparams
from regopt_jax._core import GradientTransformation
from regopt_jax._hyperparams import ScalarOrSchedule
from regopt_jax._leafwise import Step, leafwise
from regopt_jax._trees import Array, ArrayLike, abs_sq, zeros_like
from regopt_jax.transforms.momentum import moving_average


class _Now(NamedTuple):
    """Whether this is the first step, and the weight decay at it."""

    first: Array
    weight_decay: ArrayLike


def scale_by_novograd(
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.25,
    eps: ArrayLike = 1e-8,
    eps_root: ArrayLike = 0.0,
    weight_decay: ScalarOrSchedule = 0.0,
    mu_dtype: Any = None,
) -> GradientTransformation:
    r"""Divide each array's gradient by a running norm of the whole array, then accumulate.

    .. math:: r_t = β_2 r_{t-1} + (1-β_2) \lVert g_t \rVert^2, \qquad
       u_t = β_1 u_{t-1} + \frac{g_t}{\sqrt{r_t + ε_{root}} + ε} + λ W

    from :math:`r_1 = \lVert g_1 \rVert^2`. A steady gradient steps by
    :math:`1/(1-β_1)` times the quotient, and the metric is its divisor times :math:`1-β_1`.

    Args:
      b1, b2: β₁, β₂ in [0, 1).
      eps, eps_root: ε, ε_root ≥ 0, outside and inside the root.
      weight_decay: λ ≥ 0 or a schedule; the parameters are needed unless it is 0.
      mu_dtype: dtype of u's memory; the parameters' when ``None``.

    Raises:
      ValueError: a hyperparameter out of its range.

    Ginsburg et al., *Stochastic gradient methods with layer-wise adaptive moments for
    training of deep networks*, arXiv 1905.11286.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_novograd()
    >>> u, _ = tx.update(jnp.array([3.0, 4.0]), tx.init(jnp.zeros(2)))
    >>> jnp.round(100 * u).tolist()
    [60.0, 80.0]
    """
    _hyperparams.check(
        "scale_by_novograd",
        b1=(b1, "[0, 1)"),
        b2=(b2, "[0, 1)"),
        eps=(eps, "[0, inf)"),
        eps_root=(eps_root, "[0, inf)"),
        weight_decay=(weight_decay, "[0, inf)"),
    )
    decays = not _hyperparams.is_number(weight_decay, 0)

    def init(p: Array) -> tuple[Array, Array]:
        return zeros_like(p, mu_dtype), jnp.zeros([], jnp.result_type(p))

    def context(step: Step) -> _Now:
        return _Now(step.count == 0, _hyperparams.at(weight_decay, step.count))

    def root(r: Array) -> Array:
        return jnp.sqrt(r + eps_root) + eps

    def update(g: Array, m: Array, r: Array, *p_and_now: Any) -> tuple[Array, Array, Array]:
        *p, now = p_and_now
        square = jnp.sum(abs_sq(g)).astype(r.dtype)
        r = jnp.where(now.first, square, moving_average(square, r, b2))
        scaled = g / root(r)
        if decays:
            scaled = scaled + jnp.asarray(now.weight_decay, g.dtype) * p[0]
        m = jnp.add(b1 * m, scaled)
        return m, m, r

    return leafwise(
        update,
        name="scale_by_novograd",
        role="precondition",
        hyperparams={
            "b1": b1,
            "b2": b2,
            "eps": eps,
            "eps_root": eps_root,
            "weight_decay": weight_decay,
            "mu_dtype": mu_dtype,
        },
        state=optax.ScaleByNovogradState,
        init=init,
        context=context,
        metric=lambda m, r, *p_and_now: (1 - b1) * root(r),
        needs_params=decays,
        elementwise=False,
    )
