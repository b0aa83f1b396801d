"""A step size that is a function of the step."""

from regopt_jax._core import GradientTransformation, Schedule, transformation
from regopt_jax.transforms.scale import multiplied


@transformation()
def scale_by_schedule(step_size_fn: Schedule) -> GradientTransformation:
    r"""Multiply the updates by a schedule, :math:`u_t = s(t)\,g_t`, with t from 0.

    Args:
      step_size_fn: from the number of updates done (an int32 scalar) to the factor;
        negative to descend.

    Raises:
      TypeError: ``step_size_fn`` is no function.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_schedule(lambda t: -1.0 / (t + 1))
    >>> state = tx.init(jnp.array(0.0))
    >>> for _ in range(2):
    ...     u, state = tx.update(jnp.array(1.0), state)
    >>> float(u)
    -0.5
    """
    if not callable(step_size_fn):
        raise TypeError(
            f"scale_by_schedule: step_size_fn must be a function of the step, got "
            f"{step_size_fn!r}; use scale for a constant."
        )
    return multiplied(step_size_fn)
