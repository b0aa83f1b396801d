r"""Yogi: a second moment that grows like Adam's and falls additively."""

import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation, leafwise, transformation
from regopt_jax._core.arithmetic import abs_sq, full_like, square_like
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import Corrections, adam_corrections, moving_average, unbiased
from regopt_jax.transforms.second_moments import divisor


@transformation(
    b1="[0, 1)",
    b2="[0, 1)",
    eps="[0, inf)",
    eps_root="[0, inf)",
    initial_accumulator_value="[0, inf)",
)
def scale_by_yogi(
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-3,
    eps_root: ArrayLike = 0.0,
    initial_accumulator_value: ArrayLike = 1e-6,
) -> GradientTransformation:
    r"""Adam whose second moment moves by bounded steps, so that it forgets slowly (Yogi).

    .. math:: r_t = r_{t-1} - (1-β_2) \operatorname{sign}(r_{t-1} - g_t^2)\, g_t^2, \qquad
       u_t = \frac{m_t/(1-β_1^t)}{\sqrt{r_t/(1-β_2^t) + ε_{root}} + ε}

    with the mean m of :func:`scale_by_adam`.

    Args:
      b1, b2: β₁, β₂ in [0, 1).
      eps, eps_root: ε, ε_root ≥ 0, outside and inside the root.
      initial_accumulator_value: m₀ and r₀ ≥ 0; m₀ too, as in Optax.

    Raises:
      ValueError: a hyperparameter out of its range.

    Zaheer et al., *Adaptive methods for nonconvex optimization*, NeurIPS 2018.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_yogi()
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 3)
    1.0
    """

    def init(p: Array) -> tuple[Array, Array]:
        return full_like(p, initial_accumulator_value), square_like(p, initial_accumulator_value)

    def metric(m: Array, r: Array, correction: Corrections) -> Array:
        return divisor(unbiased(r, correction.nu), eps, eps_root)

    def update(g: Array, m: Array, r: Array, correction: Corrections) -> tuple[Array, Array, Array]:
        square = abs_sq(g)
        m = moving_average(g, m, b1)
        r = r - (1 - b2) * jnp.sign(r - square) * square
        return unbiased(m, correction.mu) / metric(m, r, correction), m, r

    return leafwise(
        update,
        role="precondition",
        state=optax.ScaleByAdamState,
        init=init,
        context=lambda step: adam_corrections(b1, b2, step),
        metric=metric,
    )
