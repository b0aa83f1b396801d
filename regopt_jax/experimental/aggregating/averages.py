"""The mean of the gradients of single examples, and of the batches of several calls."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from optax.experimental import aggregating

from regopt_jax._core import Array, GradientTransformation, Step, leafwise, transformation
from regopt_jax._core.arithmetic import cast_like, zeros_like
from regopt_jax._core.lift import unit_metric
from regopt_jax._core.tolerance import strict
from regopt_jax.combine import chain
from regopt_jax.experimental.aggregating.aggregator import as_aggregator
from regopt_jax.experimental.aggregating.examples import check_examples, example_axes
from regopt_jax.transforms.identity import identity


@transformation()
def average_per_element_updates(per_elt_axis: int | Sequence[int] = 0) -> GradientTransformation:
    r"""The mean of the gradients of single examples, :math:`u = \frac 1B \sum_i g_i`.

    Args:
      per_elt_axis: the axis of the examples, or several.

    Raises:
      ValueError: no axes; (from ``update``) a gradient without them, by path.

    >>> import jax.numpy as jnp
    >>> tx, w = average_per_element_updates(), jnp.zeros(2)
    >>> tx.update(jnp.array([[1.0, 2.0], [3.0, 6.0]]), tx.init(w))[0].tolist()
    [2.0, 4.0]
    """
    name = "average_per_element_updates"
    axes = example_axes(name, per_elt_axis)

    def context(step: Step) -> tuple[()]:
        if not step.after:
            check_examples(name, step.updates, axes)
        return ()

    def update(g: Array, context: tuple[()]) -> Array:
        return jnp.mean(g, axis=axes)

    return as_aggregator(
        leafwise(update, role="gradient", context=context, metric=unit_metric, elementwise=False)
    )


@transformation(accumulation_steps="integer [1, inf)")
def accumulate_avg_updates(accumulation_steps: int) -> GradientTransformation:
    r"""The mean of the updates of k calls, at each k-th of them; zeros at the others.

    .. math:: a_n = a_{n-1} + \frac{g_n - a_{n-1}}{n}, \qquad n = 1 … k

    In :func:`process` the optimiser runs at the k-th only.

    Args:
      accumulation_steps: k ≥ 1.

    Raises:
      ValueError: a hyperparameter out of its range.

    >>> import jax.numpy as jnp
    >>> tx, w = accumulate_avg_updates(2), jnp.array(0.0)
    >>> u, state = tx.update(jnp.array(1.0), tx.init(w))
    >>> float(u), float(tx.update(jnp.array(3.0), state)[0])
    (0.0, 2.0)
    """
    if accumulation_steps < 1:  # checked above, but not in Optax's face
        raise ValueError("accumulation_steps must be larger than or equal to 1.")
    if accumulation_steps == 1:
        return identity()

    def update(g: Array, mean: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        n, ready = now
        mean = mean + (g - mean) / cast_like(n, mean)
        nothing = jnp.zeros_like(mean)
        return jnp.where(ready, mean, nothing), jnp.where(ready, nothing, mean)

    return leafwise(
        update,
        role="gradient",
        state=aggregating.AccumulateAvgUpdatesState,
        init=zeros_like,
        context=lambda step: counted(step, accumulation_steps),
        scalars={"micro_step": lambda _: _zero(), "ready": lambda _: jnp.zeros([], bool)},
        advance=restarted,
    )


def counted(step: Step, accumulation_steps: int) -> tuple[Array, Array]:
    """Which call of a round this is, from 1, and whether it is the last."""
    n = step.state.micro_step + 1
    return n, jnp.asarray(n == accumulation_steps, bool)


def restarted(step: Step, now: tuple[Array, Array]) -> Mapping[str, Any]:
    """The counter and the sign after a call."""
    n, ready = now
    return {"micro_step": jnp.where(ready, 0, n), "ready": ready}


def _zero() -> Array:
    return jnp.zeros([], jnp.int32) if strict() else jnp.asarray(0)  # weak there


@transformation(accumulation_steps="integer [1, inf)")
def average_incrementally_updates(
    per_elt_axis: int | Sequence[int] | None, accumulation_steps: int
) -> GradientTransformation:
    """The mean over the examples of k calls.

    Args:
      per_elt_axis: the axis of the examples, or several; ``None`` if the gradients are means of
        a batch already.
      accumulation_steps: k ≥ 1; see :func:`accumulate_avg_updates`.

    Raises:
      ValueError: a hyperparameter out of its range.

    >>> import jax.numpy as jnp
    >>> tx, w = average_incrementally_updates(0, 2), jnp.array(0.0)
    >>> u, state = tx.update(jnp.array([1.0, 2.0]), tx.init(w))
    >>> float(tx.update(jnp.array([3.0, 6.0]), state)[0])
    3.0
    """
    accumulated = accumulate_avg_updates(accumulation_steps)
    if per_elt_axis is None:
        return accumulated
    return as_aggregator(chain(average_per_element_updates(per_elt_axis), accumulated))
