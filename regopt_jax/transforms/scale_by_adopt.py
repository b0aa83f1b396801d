r"""ADOPT: Adam that divides a gradient by what was known before it."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import optax

from regopt_jax._core import GradientTransformation, Schedule, Step, leafwise, numbers, value_at
from regopt_jax._core.arithmetic import abs_sq, cast_like, square_like, zeros_like
from regopt_jax._core.decorator import transformation
from regopt_jax._core.matching import check_real
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import moving_average


class _Decays(NamedTuple):
    """β₁ and β₂ at this step, and the bound on the normalised gradient."""

    b1: Array
    b2: Array
    bound: Array


def fourth_root(count: ArrayLike) -> Array:
    """The bound of ADOPT's paper, :math:`t^{1/4}`."""
    return jnp.asarray(count) ** 0.25


@transformation(b1="[0, 1)", b2="[0, 1)", eps="(0, inf)")
def scale_by_adopt(
    b1: ArrayLike = 0.9,
    b2: ArrayLike = 0.9999,
    eps: ArrayLike = 1e-6,
    mu_dtype: Any = None,
    *,
    nesterov: bool = False,
    use_clipping: bool = True,
    clip_value_fn: Schedule = fourth_root,
) -> GradientTransformation:
    r"""Average gradients that are divided by the root-mean-square of those before (ADOPT).

    .. math:: n_t = \mathrm{clip}\!\left(\frac{g_t}{\max(\sqrt{r_{t-1}}, ε)}, ±c_t\right), \quad
       u_t = m_t = β_1 m_{t-1} + (1-β_1) n_t, \quad r_t = β_2 r_{t-1} + (1-β_2) g_t^2

    The first gradient only sets :math:`r_0 = g_0^2`: its update is zero.

    Args:
      b1, b2: β₁, β₂ in [0, 1).
      eps: ε > 0.
      mu_dtype: dtype of m; the parameters' when ``None``.
      nesterov: look ahead by one more step of the mean.
      use_clipping: whether to clip; of complex gradients, not possible.
      clip_value_fn: :math:`c_t` from the number t of updates before; :math:`t^{1/4}`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Taniguchi et al., *ADOPT*, arXiv 2411.02853.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_adopt(b1=0.5)
    >>> state = tx.init(jnp.array(0.0))
    >>> for _ in range(2):
    ...     u, state = tx.update(jnp.array(3.0), state)
    ...     print(float(u))
    0.0
    0.5
    """

    numbers.check_function("scale_by_adopt", "clip_value_fn", clip_value_fn)

    def context(step: Step) -> _Decays:
        first = step.count == 0
        bound = jnp.asarray(value_at(clip_value_fn, step.count))
        return _Decays(jnp.where(first, 1.0, b1), jnp.where(first, 0.0, b2), bound)

    def update(g: Array, m: Array, r: Array, now: _Decays) -> tuple[Array, Array, Array]:
        bound = cast_like(now.bound, g)
        seen = r.real > 0
        root = jnp.where(seen, jnp.sqrt(jnp.where(seen, r.real, 1)), 0)
        normalized = g / jnp.maximum(root, eps)
        if use_clipping:
            normalized = jnp.clip(normalized, -bound, bound)
        m = moving_average(normalized, m, now.b1)
        r = moving_average(abs_sq(g), r, now.b2)
        return (moving_average(normalized, m, now.b1) if nesterov else m), m, r

    return leafwise(
        update,
        role="precondition",
        state=optax.ScaleByAdamState,
        init=lambda p: (zeros_like(p, mu_dtype), square_like(p)),
        context=context,
        check=check_real if use_clipping else None,
    )
