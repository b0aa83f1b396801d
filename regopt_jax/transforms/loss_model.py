r"""Step sizes from a model of the loss, the mean of its tangents so far: what MoMo's kinds share.

At W the model is :math:`h + \langle m, W\rangle`, with :math:`h = \bar f - γ` of the means of the
losses and of :math:`\langle g, W\rangle`, and m the mean of the gradients.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from regopt_jax._core import Array, ArrayLike, PyTree, ScalarOrSchedule, Step, abs_sq, value_at
from regopt_jax._core.vectors import inner, total
from regopt_jax.transforms.distance import scalar
from regopt_jax.transforms.moments import moving_average
from regopt_jax.transforms.scale_by_polyak import loss_of

# ``direction(g, *slots) -> (m, D)``: the mean of the gradients, and what the step divides it by.
Direction = Callable[..., tuple[Array, ArrayLike]]


class Truncated(NamedTuple):
    """How long a step may be.

    Attributes:
      learning_rate, weight_decay: α, the longest, and λ.
      lower_bound: L*, below which no loss is.
      adapt: whether to raise it by the model.
    """

    learning_rate: ScalarOrSchedule
    weight_decay: ArrayLike
    lower_bound: ArrayLike
    adapt: bool

    def model(
        self,
        who: str,
        step: Step,
        direction: Direction,
        slots: Mapping[str, PyTree],
        decay: ArrayLike,
        correction: ArrayLike = 1.0,
    ) -> "Model":
        """The model after this gradient, in the state's ``barf``, ``gamma`` and ``lb``."""
        state, grads, W = step.state, step.updates, step.params

        def along(g: Array, p: Array, *of_leaf: Array) -> Array:
            return inner(direction(g, *of_leaf)[0], p)

        def squared(g: Array, *of_leaf: Array) -> Array:
            m, d = direction(g, *of_leaf)
            return inner(m, m / d)

        with jax.numpy_dtype_promotion("standard"):
            loss = jnp.asarray(loss_of(who, step), state.barf.dtype)
            loss = moving_average(loss, state.barf, decay)
            gamma = moving_average(total(who, inner, grads, W=W), state.gamma, decay)
            product = total(who, along, grads, W=W, **slots)
            square = total(who, squared, grads, **slots)
            longest = value_at(self.learning_rate, step.count)
            growth, bound = 1 + longest * self.weight_decay, state.lb
            height = growth * (loss - gamma) + product
            if self.adapt:
                lower = jnp.maximum(height / (2 * growth * correction), self.lower_bound)
                bound = jnp.where(height < growth * correction * bound, lower, bound)
            flat = square <= jnp.finfo(float).eps
            reach = jnp.maximum(height - growth * correction * bound, 0)
            reach = jnp.where(flat, 0, reach / jnp.where(flat, 1, square))
            size = jnp.minimum(longest / correction, reach)
            if self.adapt:
                left = (loss + product - gamma - size * square / 2) / correction
                bound = jnp.maximum(left, self.lower_bound)
            shrink = jnp.asarray(longest * self.weight_decay / growth)
        return Model(loss, gamma, bound, size, shrink)

    def scalars(self) -> dict[str, Callable[[PyTree], Array]]:
        """The fields of the state that are one number."""
        return {
            "barf": lambda params: scalar(0.0, params),
            "gamma": lambda params: scalar(0.0, params),
            "lb": lambda params: scalar(self.lower_bound, params),
        }

    def factor(self, step: Step) -> Array:
        """The longest step, down."""
        return -jnp.asarray(value_at(self.learning_rate, step.count))


class Model(NamedTuple):
    """The means of the losses and of ⟨g, W⟩, the bound, and the step: its size, W's share of it."""

    loss: Array
    gamma: Array
    bound: Array
    size: Array
    shrink: Array

    def step(self, direction: Array, p: Array) -> Array:
        """The update of one array."""
        size, shrink = (x.astype(abs_sq(p).dtype) for x in (self.size, self.shrink))
        return -shrink * p - size * direction

    def advanced(self) -> dict[str, Any]:
        """The new values of the state's numbers."""
        return {"barf": self.loss, "gamma": self.gamma, "lb": self.bound}
