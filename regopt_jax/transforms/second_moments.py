r"""Second moments: steps of even size across unevenly scaled coordinates.

Each divides the gradient by a running measure :math:`\sqrt{r}` of its own
magnitude, coordinate by coordinate: a diagonal preconditioner. That divisor is the
transformation's *metric*, and each formula below states it once.
"""

from collections.abc import Callable

import jax.numpy as jnp
import optax

from regopt_jax._core import Array, ArrayLike, Step, numbers
from regopt_jax.transforms.moments import bias
from regopt_jax.transforms.norms import nonzero


def divisor(second_moment: Array, eps: ArrayLike, eps_root: ArrayLike = 0.0) -> Array:
    """√(r + ε_root) + ε, and infinite where that is zero."""
    inside = second_moment + eps_root
    if numbers.is_number(eps, 0):
        return jnp.sqrt(nonzero(inside))  # XLA divides by a root in one operation
    return nonzero(jnp.sqrt(inside) + eps)


def split(eps: ArrayLike, eps_in_sqrt: bool) -> tuple[ArrayLike, ArrayLike]:
    """The one ε of RMSProp as that outside of the root and that inside."""
    return (0.0, eps) if eps_in_sqrt else (eps, 0.0)


def correction(decay: ArrayLike, counted: bool) -> Callable[[Step], Array] | None:
    """The bias correction of a second moment, where it has one."""
    if not counted:
        return None
    return lambda step: bias(decay, optax.safe_increment(step.count))
