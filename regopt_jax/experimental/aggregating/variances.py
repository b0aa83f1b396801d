"""Moving averages of the mean and the variance of the gradients of single examples."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax.experimental import aggregating

from regopt_jax._core import (
    Array,
    ArrayLike,
    GradientTransformation,
    PyTree,
    Step,
    leafwise,
    matching,
    trees,
)
from regopt_jax._core.arithmetic import cast_like, zeros_like
from regopt_jax._core.decorator import transformation
from regopt_jax._core.lift import unit_metric
from regopt_jax._core.tolerance import strict
from regopt_jax.combine import chain
from regopt_jax.experimental.aggregating.process import process
from regopt_jax.experimental.aggregating.squares import get_per_element_mean_and_sum_sq_diff_grads
from regopt_jax.transforms.identity import identity
from regopt_jax.transforms.moments import bias, moving_average


@transformation(ema_decay="[0, 1)")
def track_per_element_mean_and_variance_with_ema(
    ema_decay: ArrayLike = 0.9,
) -> GradientTransformation:
    r"""Keep moving averages of the gradient and of the variance over the examples.

    .. math:: m_t = β m_{t-1} + (1-β) \bar g_t, \qquad
       v_t = β v_{t-1} + (1-β) \frac{S_t}{N - 1}

    The updates pass. ``update`` needs the extra arguments ``sum_sq_diff_grads``, S, and
    ``sample_size``, N, of :func:`get_per_element_mean_and_sum_sq_diff_grads`.

    Args:
      ema_decay: β in [0, 1).

    Raises:
      ValueError: a hyperparameter out of its range; (from ``update``) of one example.
      TypeError: (from ``update``) an extra argument is missing.

    >>> import jax.numpy as jnp
    >>> tx, w = track_per_element_mean_and_variance_with_ema(0.5), jnp.array(0.0)
    >>> _, state = tx.update(jnp.array(2.0), tx.init(w), sum_sq_diff_grads=3.0, sample_size=4)
    >>> float(state.mean_grads_ema), float(state.variance_grads_ema)
    (1.0, 0.5)
    """
    name = "track_per_element_mean_and_variance_with_ema"

    def given(step: Step, key: str) -> Any:
        if key not in step.extra:
            raise TypeError(
                f"{name}: update needs the extra argument {key}. Put it after "
                "get_per_element_mean_and_sum_sq_diff_grads, by "
                "process(..., aggregator_has_aux=True)."
            )
        return step.extra[key]

    def factor(step: Step) -> Any:
        if step.after:
            return ()
        size = given(step, "sample_size")
        if strict() and isinstance(size, int) and size < 2:
            raise ValueError(f"{name}: the variance of {size} example is not defined; give two.")
        return 1 / (size - 1)

    def squares(step: Step) -> list[Any]:
        tree = given(step, "sum_sq_diff_grads")
        leaves = matching.align(
            name, "sum_sq_diff_grads", tree, step.updates, trees.flatten(step.updates)[1]
        )
        return [x if x is None else jnp.asarray(x) for x in leaves]

    def update(g: Array, mean: Array, variance: Array, squares: Array, factor: Any) -> Any:
        one = cast_like(factor, squares) * squares
        return g, moving_average(g, mean, ema_decay), moving_average(one, variance, ema_decay)

    return leafwise(
        update,
        role="gradient",
        state=aggregating.PerElementMeanAndVarianceEMAState,
        init=lambda p: (zeros_like(p), zeros_like(p)),
        context=factor,
        each=squares,
        scalars={"ema_decay": lambda _: jnp.asarray(ema_decay, float if strict() else None)},
        metric=unit_metric,
    )


def get_unbiased_mean_and_variance_ema(state: Any) -> tuple[PyTree, PyTree]:
    r"""What the moving averages would be had they not started from zero.

    .. math:: \frac{m_t}{1-β^t}, \qquad \frac{v_t}{1-β^t}

    Args:
      state: one that holds that of :func:`track_per_element_mean_and_variance_with_ema`.

    Raises:
      ValueError: it does not.

    >>> import jax.numpy as jnp
    >>> tx, w = track_per_element_mean_and_variance_with_ema(0.5), jnp.array(0.0)
    >>> _, state = tx.update(jnp.array(2.0), tx.init(w), sum_sq_diff_grads=3.0, sample_size=4)
    >>> mean, variance = get_unbiased_mean_and_variance_ema(state)
    >>> float(mean), float(variance)
    (2.0, 1.0)
    """
    own = optax.tree.get(state, "PerElementMeanAndVarianceEMAState", None)
    if own is None:
        raise ValueError(
            "State must have PerElementMeanAndVarianceEMAState to compute unbiased mean and "
            "variance EMA."
        )
    correction = bias(own.ema_decay, own.count)

    def corrected(x: Array) -> Array:
        return x / correction.astype(x.dtype)

    mean, variance = (
        jax.tree.map(corrected, tree) for tree in (own.mean_grads_ema, own.variance_grads_ema)
    )
    return mean, variance


@transformation()
def add_mean_variance_to_opt(
    opt: optax.GradientTransformation,
    ema_decay: ArrayLike = 0.9,
    per_elt_axis: int | Sequence[int] = 0,
    accumulation_steps: int = 1,
) -> GradientTransformation:
    """An optimiser of the mean of the gradients of single examples, which keeps their variance.

    :func:`get_unbiased_mean_and_variance_ema` reads it off the state.

    Args:
      opt: the optimiser.
      ema_decay: see :func:`track_per_element_mean_and_variance_with_ema`.
      per_elt_axis, accumulation_steps: see :func:`get_per_element_mean_and_sum_sq_diff_grads`.

    Raises:
      ValueError: a hyperparameter out of its range.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> from regopt_jax.experimental import aggregating
    >>> tx, w = aggregating.add_mean_variance_to_opt(ro.sgd(0.5)), jnp.array(0.0)
    >>> u, state = tx.update(jnp.array([1.0, 3.0]), tx.init(w))
    >>> mean, variance = aggregating.get_unbiased_mean_and_variance_ema(state)
    >>> float(u), round(float(variance), 4)
    (-1.0, 2.0)
    """
    return process(
        identity(),
        get_per_element_mean_and_sum_sq_diff_grads(per_elt_axis, accumulation_steps),
        chain(track_per_element_mean_and_variance_with_ema(ema_decay), opt),
        aggregator_has_aux=True,
    )
