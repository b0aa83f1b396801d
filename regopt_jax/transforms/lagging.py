"""Copies of parameters that lag behind them."""

import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, PyTree, matching, numbers
from regopt_jax._core.modes import run_or_hold


def incremental_update(new_tensors: PyTree, old_tensors: PyTree, step_size: ArrayLike) -> PyTree:
    r"""One step of an average towards new values, :math:`s\,x_{new} + (1-s)\,x_{old}`.

    Args:
      new_tensors: the new values.
      old_tensors: the average, whose dtypes the result has.
      step_size: s in [0, 1].

    Raises:
      ValueError: ``step_size`` out of its range, or the trees differ; names the paths.

    Polyak & Juditsky, *Acceleration of stochastic approximation by averaging*, 1992.

    >>> import jax.numpy as jnp
    >>> float(incremental_update(jnp.array(4.0), jnp.array(0.0), 0.25))
    1.0
    """
    numbers.check("incremental_update", step_size=(step_size, "[0, 1]"))

    def one(new: Array, old: Array) -> Array:
        return jnp.asarray(step_size * new + (1 - step_size) * old, jnp.result_type(old))

    return matching.map_leaves("incremental_update", one, new_tensors, old=old_tensors)


def periodic_update(
    new_tensors: PyTree, old_tensors: PyTree, steps: ArrayLike, update_period: ArrayLike
) -> PyTree:
    """The new values at every k-th step, the old ones in between.

    Args:
      new_tensors: the new values.
      old_tensors: the copy that lags behind, whose dtypes the result has.
      steps: the number of steps done.
      update_period: k, an integer ≥ 1.

    Raises:
      ValueError: ``update_period`` out of its range.

    Mnih et al., *Human-level control through deep reinforcement learning*, Nature 2015.

    >>> import jax.numpy as jnp
    >>> [float(periodic_update(jnp.array(1.0), jnp.array(0.0), t, 3)) for t in (2, 3)]
    [0.0, 1.0]
    """
    numbers.check("periodic_update", update_period=(update_period, "integer [1, inf)"))
    now = jnp.equal(jnp.asarray(steps) % update_period, 0)
    return run_or_hold(now, lambda new, old: new, lambda new, old: old, new_tensors, old_tensors)
