"""Adafactor's second moment: of a matrix, only the means of its rows and columns."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

from regopt_jax._core import GradientTransformation, Step, leafwise, numbers, transformation
from regopt_jax._core.arithmetic import abs_sq, at_least_float32, square_like
from regopt_jax._core.numbers import LAST, is_past_last
from regopt_jax._core.tolerance import strict
from regopt_jax._core.trees import Array, ArrayLike
from regopt_jax.transforms.moments import moving_average
from regopt_jax.transforms.norms import nonzero


def power_decay(step: ArrayLike, exponent: ArrayLike) -> Array:
    r"""Adafactor's decay of the second moment, :math:`1 - (t+1)^{-c}`, with t from 0.

    >>> float(power_decay(3, 0.5))
    0.5
    """
    with jax.numpy_dtype_promotion("standard"):
        return 1 - (jnp.asarray(step, float) + 1) ** jnp.negative(exponent)


@transformation(
    decay_rate="[0, inf)",
    min_dim_size_to_factor="[1, inf)",
    epsilon="[0, inf)",
    step_offset="integer (-inf, inf)",
)
def scale_by_factored_rms(
    factored: bool = True,
    decay_rate: ArrayLike = 0.8,
    step_offset: ArrayLike = 0,
    min_dim_size_to_factor: int = 128,
    epsilon: ArrayLike = 1e-30,
    decay_rate_fn: Callable[[ArrayLike, ArrayLike], ArrayLike] = power_decay,
) -> GradientTransformation:
    r"""Divide by a root-mean-square that is kept as one factor a row and one a column.

    .. math:: R_t = β_t R_{t-1} + (1-β_t)\,\overline{g_t^2 + ε}^{\,cols}, \quad
       C_t = β_t C_{t-1} + (1-β_t)\,\overline{g_t^2 + ε}^{\,rows}, \qquad
       u_t = \frac{g_t}{\sqrt{R_t C_t / \bar R_t}}

    Rows and columns are the two largest axes. An array whose second largest is short keeps
    its whole second moment, :math:`u_t = g_t / \sqrt{r_t}`.

    Args:
      factored: whether to factor at all.
      decay_rate: c ≥ 0 of :math:`β_t = 1 - t^{-c}`.
      step_offset: the step that counts as the first, for fine-tuning.
      min_dim_size_to_factor: the shortest second axis that is worth factoring, ≥ 1.
      epsilon: ε ≥ 0.
      decay_rate_fn: ``decay_rate_fn(step - step_offset, decay_rate)``, β with steps from 0.

    Raises:
      ValueError: a hyperparameter out of its range.

    Shazeer & Stern, *Adafactor*, arXiv 1804.04235; Zhai et al., *Scaling vision
    transformers*, arXiv 2106.04560.

    >>> import jax.numpy as jnp
    >>> tx, g = scale_by_factored_rms(min_dim_size_to_factor=2), jnp.array([[1.0, 2.0], [3.0, 6.0]])
    >>> u, state = tx.update(g, tx.init(g), g)
    >>> u.round(5).tolist(), state.v_row.shape, state.v.shape
    ([[1.0, 1.0], [1.0, 1.0]], (2,), (1,))
    """

    numbers.check_function("scale_by_factored_rms", "decay_rate_fn", decay_rate_fn)

    def axes_of(shape: tuple[int, ...]) -> tuple[int, int] | None:
        """The second largest axis and the largest, where they are factored."""
        if not factored or len(shape) < 2:
            return None
        *_, second, largest = map(int, np.argsort(shape))
        return (second, largest) if shape[second] >= min_dim_size_to_factor else None

    def init(p: Array) -> tuple[Array, Array, Array]:
        whole, axes = square_like(p), axes_of(jnp.shape(p))
        unused = jnp.zeros((1,), whole.dtype)
        if axes is None:
            return unused, unused, whole
        second, largest = axes
        return jnp.sum(whole, largest), jnp.sum(whole, second), unused

    def root(rows: Array, columns: Array, whole: Array, p: Array, *_: Array) -> Array:
        rows, columns, whole = map(_real, (rows, columns, whole))
        axes = axes_of(p.shape)
        if axes is None:
            return jnp.sqrt(nonzero(whole))
        second, largest = axes
        rows = jnp.expand_dims(rows, largest)
        mean = jnp.mean(rows, second, keepdims=True)
        return nonzero(
            jnp.sqrt(rows) / jnp.sqrt(nonzero(mean)) * jnp.sqrt(jnp.expand_dims(columns, second))
        )

    def update(
        g: Array, rows: Array, columns: Array, whole: Array, p: Array, decay: Array
    ) -> tuple[Array, Array, Array, Array]:
        square = abs_sq(at_least_float32(g)) + epsilon
        decay = decay.astype(square.dtype)
        axes = axes_of(g.shape)
        if axes is None:
            whole = moving_average(square, _real(whole), decay)
        else:
            second, largest = axes
            rows = moving_average(jnp.mean(square, largest), _real(rows), decay)
            columns = moving_average(jnp.mean(square, second), _real(columns), decay)
        u = at_least_float32(g) / root(rows, columns, whole, p)
        return (u.astype(g.dtype) if strict() else u), rows, columns, whole

    def context(step: Step) -> Array:
        offset = LAST if is_past_last(step_offset) else step_offset
        return jnp.asarray(decay_rate_fn(step.count - offset, decay_rate))

    return leafwise(
        update,
        role="precondition",
        state=optax.FactoredState,
        init=init,
        context=context,
        needs_params=True,
        metric=root,
        elementwise=False,
        keeps=("v_row", "v_col", "v"),
    )


def _real(x: Array) -> Array:
    return at_least_float32(jnp.real(x))
