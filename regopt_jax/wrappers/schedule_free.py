"""Schedule-Free: an average of the iterates instead of a schedule that decays."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax.contrib import ScheduleFreeState as ScheduleFreeState

from regopt_jax._core import (
    GradientTransformation,
    arithmetic,
    as_transformation,
    fields,
    matching,
    vectors,
    wrap,
)
from regopt_jax._core.decorator import transformation
from regopt_jax._core.derived import holds_back
from regopt_jax._core.modes import Onto
from regopt_jax._core.schedule import ScalarOrSchedule, previous, value_at
from regopt_jax._core.tolerance import strict
from regopt_jax._core.trees import Array, ArrayLike, PyTree


@transformation(learning_rate="[0, inf)", b1="(0, 1]", weight_lr_power="[0, inf)")
def schedule_free(
    base_optimizer: optax.GradientTransformation,
    learning_rate: ScalarOrSchedule,
    b1: ArrayLike = 0.9,
    weight_lr_power: ArrayLike = 2.0,
    state_dtype: Any = None,
) -> GradientTransformation:
    r"""Average an optimiser's iterates as it goes, and take gradients near the average.

    .. math:: z_{t+1} &= z_t + u_t(y_t), \qquad x_{t+1} = (1-c_t)\,x_t + c_t\,z_{t+1}
       \quad\text{with}\quad c_t = \frac{w_t}{\sum_{i≤t} w_i},\ w_t = (\max_{i≤t} γ_i)^p \\
       y_{t+1} &= (1-β_1)\,z_{t+1} + β_1 x_{t+1}

    The parameters of training are y; evaluate at x, :func:`schedule_free_eval_params`.

    Step t weighs the iterate by the learning rate that the optimiser took that step with,
    as in the paper's algorithm 1; Optax reads its schedule one step ahead. The state counts
    from 1 like Optax's.

    Args:
      base_optimizer: steps z, without momentum of its own.
      learning_rate: γ ≥ 0, a constant or the schedule of the warmup that it has too.
      b1: β₁ in (0, 1].
      weight_lr_power: p ≥ 0.
      state_dtype: dtype of z; the parameters' when ``None``.

    Raises:
      ValueError: a hyperparameter out of its range; from ``update``, no parameters.

    Defazio et al., *The road less scheduled*, arXiv 2405.15682.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx, y = ro.schedule_free(ro.sgd(1.0), 1.0, b1=0.5), jnp.array(0.0)
    >>> state = tx.init(y)
    >>> for _ in range(2):
    ...     updates, state = tx.update(jnp.array(-1.0), state, y)
    ...     y = ro.apply_updates(y, updates)
    >>> float(state.z), float(y), float(ro.schedule_free_eval_params(state, y))
    (2.0, 1.75, 1.5)
    """
    name = "schedule_free"
    part = as_transformation(base_optimizer)

    def init(params: PyTree) -> ScheduleFreeState:
        dtype = arithmetic.real_dtype(params)
        return ScheduleFreeState(
            b1=jnp.asarray(b1, dtype),
            weight_sum=jnp.zeros([], dtype),
            step_count=jnp.ones([], jnp.int32),
            max_lr=jnp.zeros([], dtype),
            base_optimizer_state=part.init(params),
            z=matching.map_leaves(name, lambda p: arithmetic.copied(p, state_dtype), params),
        )

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, ScheduleFreeState]:
        if params is None:
            raise matching.params_needed(name, updates)
        weight_sum, max_lr, share = _weigh(state, learning_rate, weight_lr_power)
        if holds_back(part.nature):  # then z stays as it is, and no zeros are added to it
            moved, base_state = part.run(
                Onto(state.z), updates, state.base_optimizer_state, params, extra
            )
            steps = matching.map_leaves(name, jnp.subtract, moved, z=state.z)
        else:
            steps, base_state = part.update(updates, state.base_optimizer_state, params, **extra)
            moved = vectors.apply_updates(state.z, steps)

        def update_of(u: Array, y: Array, z: Array) -> Array:
            """The new y less the old, from the new z: without differences of like numbers."""
            new = (1 - b1) * (1 - share) * u + share * (z - y)
            return jnp.asarray(new, jnp.result_type(u, y) if strict() else None)

        out = matching.map_leaves(name, update_of, steps, parameters=params, z=moved)
        return out, ScheduleFreeState(
            b1=state.b1,
            weight_sum=weight_sum,
            step_count=optax.safe_increment(state.step_count),
            max_lr=max_lr,
            base_optimizer_state=base_state,
            z=moved,
        )

    return wrap(
        part,
        init=init,
        update=update,
        lens=fields("base_optimizer_state"),
        count=lambda state: previous(state.step_count),
    )


def schedule_free_eval_params(state: Any, params: PyTree) -> PyTree:
    r"""The parameters to evaluate, :math:`x = (y - (1-β_1) z)/β_1`.

    Args:
      state: the state of :func:`schedule_free`.
      params: y, the parameters of training.

    Raises:
      TypeError: the state is of another transformation.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx, y = ro.schedule_free(ro.sgd(1.0), 1.0, b1=0.5), jnp.array(3.0)
    >>> float(ro.schedule_free_eval_params(tx.init(y), y))
    3.0
    """
    if not hasattr(state, "b1") or not hasattr(state, "z"):
        raise TypeError(
            f"schedule_free_eval_params: the state is a {type(state).__name__}, not the "
            "ScheduleFreeState of schedule_free; take its part of the state of a chain."
        )

    def one(y: Array, z: Array) -> Array:
        return jnp.asarray((y - (1 - state.b1) * z) / state.b1).astype(jnp.result_type(y))

    return matching.map_leaves("schedule_free_eval_params", one, params, z=state.z)


def _weigh(
    state: Any, learning_rate: ScalarOrSchedule, power: ArrayLike
) -> tuple[Array, Array, Array]:
    """The sum of weights and the largest learning rate so far, and this step's share."""
    weight_sum, largest = map(jnp.asarray, (state.weight_sum, state.max_lr))
    with jax.numpy_dtype_promotion("standard"):
        count = state.step_count - 1 if strict() else state.step_count  # Optax counts from 1
        rate = jnp.asarray(value_at(learning_rate, count), largest.dtype)
        largest = jnp.maximum(largest, rate)
        weight = (largest**power).astype(weight_sum.dtype)
    weight_sum = weight_sum + weight
    return weight_sum, largest, jnp.where(weight_sum == 0, 0, weight / weight_sum)
