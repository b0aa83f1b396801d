r"""NovoGrad: one second moment a layer, and momentum after the division."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import optax

from regopt_jax._core import ScalarOrSchedule, Step, leafwise, numbers, transformation, value_at
from regopt_jax._core.arithmetic import abs_sq, square_like, zeros_like
from regopt_jax._core.protocol import GradientTransformation
from regopt_jax._core.tolerance import strict
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import moving_average
from regopt_jax.transforms.second_moments import divisor


class _Now(NamedTuple):
    """Whether this is the first step, and the weight decay at it."""

    first: Array
    weight_decay: ArrayLike


@transformation(
    b1="[0, 1)", b2="[0, 1)", eps="[0, inf)", eps_root="[0, inf)", weight_decay="[0, inf)"
)
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
    decays = not numbers.is_number(weight_decay, 0)

    def init(p: Array) -> tuple[Array, Array]:
        return zeros_like(p, mu_dtype), jnp.zeros([], square_like(p).dtype)

    def context(step: Step) -> _Now:
        return _Now(step.count == 0, value_at(weight_decay, step.count))

    def root(r: Array) -> Array:
        return divisor(r, eps, eps_root)

    def update(g: Array, m: Array, r: Array, *p_and_now: Any) -> tuple[Array, Array, Array]:
        *p, now = p_and_now
        square = jnp.sum(abs_sq(g)).astype(r.dtype)
        r = jnp.where(now.first, square, moving_average(square, r, b2))
        scaled = g / root(r)
        if decays:
            scaled = scaled + jnp.asarray(now.weight_decay, g.dtype) * p[0]
        m = jnp.add(b1 * m, scaled)
        return (m if strict() or mu_dtype is None else m.astype(mu_dtype)), m, r

    return leafwise(
        update,
        role="precondition",
        state=optax.ScaleByNovogradState,
        init=init,
        context=context,
        metric=lambda m, r, *p_and_now: (1 - b1) * root(r),
        needs_params=decays,
        elementwise=False,
    )
