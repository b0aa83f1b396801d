"""Adafactor: the second moment of a matrix from the means of its rows and columns."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from regopt_jax._core import ScalarOrSchedule, Step, leafwise, transformation, trees, value_at
from regopt_jax._core.arithmetic import abs_sq, square_like
from regopt_jax._core.matching import check_real
from regopt_jax._core.numbers import check, pair
from regopt_jax._core.protocol import GradientTransformation
from regopt_jax._core.trees import Array, ArrayLike, PyTree
from regopt_jax.combine import chain
from regopt_jax.interop.torch._parts import NONNEGATIVE, decay, gradient
from regopt_jax.transforms.moments import moving_average
from regopt_jax.transforms.norms import nonzero, root_mean_square
from regopt_jax.transforms.scale_by_factored_rms import power_decay
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate


class AdafactorState(NamedTuple):
    """The mean squares of rows and columns, or of the elements; of shape (1,) if unused."""

    count: Array  # type: ignore[assignment]
    row_var: PyTree
    col_var: PyTree
    variance: PyTree


class _Now(NamedTuple):
    """The decay of the second moment, and the factor that keeps the step below 1/√t."""

    decay: Array
    cap: Array


@transformation(lr=NONNEGATIVE, weight_decay=NONNEGATIVE, beta2_decay="(-inf, 0]", d="[1, inf)")
def adafactor(
    lr: ScalarOrSchedule = 1e-2,
    beta2_decay: ArrayLike = -0.8,
    eps: tuple[ArrayLike | None, ArrayLike] = (None, 1e-3),
    d: ArrayLike = 1.0,
    weight_decay: ScalarOrSchedule = 0.0,
    *,
    maximize: bool = False,
) -> GradientTransformation:
    r"""``torch.optim.Adafactor``.

    .. math:: β_t = 1 - t^c, \quad R_t = β_t R_{t-1} + (1-β_t)\,\overline{G^2}^{\,cols}, \quad
       C_t = β_t C_{t-1} + (1-β_t)\,\overline{G^2}^{\,rows}, \quad
       U = \frac{G}{\sqrt{R C / \bar R}}

    .. math:: W ← W - \min(α, 1/\sqrt t)\,\max(ε_2, \mathrm{rms}\,W)\,
       \frac{U}{\max(1, \mathrm{rms}\,U / d)} - α λ W

    Matrices are the last two axes; vectors and scalars keep their whole second moment.

    Args:
      lr: α ≥ 0 or a schedule.
      beta2_decay: c ≤ 0.
      eps: ε₁, whose square bounds the second moment from below (``None``: the spacing of the
        parameter's dtype at 1), and ε₂, which bounds the size of a step.
      d: the threshold of U's root-mean-square, ≥ 1.
      weight_decay: λ ≥ 0, decoupled.
      maximize: climb.

    Raises:
      ValueError: a hyperparameter out of its range.

    Shazeer & Stern, *Adafactor*, arXiv 1804.04235.

    >>> import jax.numpy as jnp
    >>> tx, w = adafactor(0.1), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 6)
    -0.2
    """
    least, relative = pair("adafactor", "eps", eps)
    small = (0.0 if least is None else least, relative)
    check("adafactor", eps=(small, NONNEGATIVE))

    def init(p: Array) -> tuple[Array, Array, Array]:
        whole = square_like(p)
        unused = jnp.zeros((1,), whole.dtype)
        if whole.ndim < 2:
            return unused, unused, whole
        return jnp.sum(whole, -1, keepdims=True), jnp.sum(whole, -2, keepdims=True), unused

    def context(step: Step) -> _Now:
        t = jnp.asarray(step.count, float) + 1
        with jax.numpy_dtype_promotion("standard"):
            rate = jnp.asarray(value_at(lr, step.count), float)
            cap = jnp.minimum(1 / (rate * jnp.sqrt(t)), 1)
            return _Now(power_decay(step.count, -jnp.asarray(beta2_decay)), cap)

    def update(
        g: Array, rows: Array, columns: Array, variance: Array, p: Array, own: float, now: _Now
    ) -> tuple[Array, Array, Array, Array]:
        tiny = own if least is None else least
        kept = now.decay.astype(g.dtype)
        square = abs_sq(g)
        if g.ndim < 2:
            estimate = variance = moving_average(square, variance, kept)
        else:
            rows = moving_average(_mean(square, -1), rows, kept)
            columns = moving_average(_mean(square, -2), columns, kept)
            estimate = rows * columns / nonzero(jnp.maximum(_mean(rows, -2), tiny))
        u = g / jnp.sqrt(nonzero(jnp.maximum(estimate, tiny**2)))
        size = root_mean_square(p, relative) / jnp.maximum(root_mean_square(u) / d, 1)
        return (size.astype(g.dtype) * now.cap.astype(g.dtype)) * u, rows, columns, variance

    def epsilons(step: Step) -> list[float | None]:
        leaves, _ = trees.flatten(step.updates)
        return [None if g is None else float(jnp.finfo(g.dtype).eps) for g in leaves]

    scale_by_factors = leafwise(
        update,
        name="scale_by_adafactor",
        role="precondition",
        hyperparams={"beta2_decay": beta2_decay, "eps": eps, "d": d},
        state=AdafactorState,
        nonnegative=("variance",),
        init=init,
        context=context,
        each=epsilons,
        needs_params=True,
        elementwise=False,
        check=check_real,
    )
    return chain(
        *gradient(maximize=maximize),
        scale_by_factors,
        *decay(weight_decay),
        scale_by_learning_rate(lr),
    )


def relaid(
    rows: np.ndarray[Any, Any], columns: np.ndarray[Any, Any], convert: Callable[..., Any]
) -> tuple[Any, Any] | None:
    """The means of rows and columns in the layout that ``convert`` gives the matrices.

    A transpose turns rows into columns. ``None`` if the layout keeps neither, such as that of a
    convolution whose last two axes come from others.
    """
    whole = np.broadcast_shapes(rows.shape, columns.shape)
    a, b = (np.asarray(convert(np.broadcast_to(x, whole))) for x in (rows, columns))
    for of_rows, of_columns in ((a, b), (b, a)):
        one_row, one_column = of_rows[..., :1], of_columns[..., :1, :]
        if np.all(of_rows == one_row) and np.all(of_columns == one_column):
            return one_row, one_column
    return None


def _mean(x: Array, axis: int) -> Array:
    """The mean along an axis, which stays; zero along an axis without elements."""
    return jnp.sum(x, axis, keepdims=True) / max(x.shape[axis], 1)
