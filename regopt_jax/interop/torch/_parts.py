"""What PyTorch's optimisers share: their checks, and what they do to a gradient first."""

from typing import Any

import jax
import jax.numpy as jnp

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, numbers
from regopt_jax._core.lift import leafwise, unit_metric
from regopt_jax.regularizers.gradients import add_decayed_weights

Pair = tuple[ArrayLike, ArrayLike]
NONNEGATIVE = "[0, inf)"


def given(value: Any) -> bool:
    """Whether a hyperparameter asks for its part: anything but the number zero."""
    return not numbers.is_number(value, 0)


def known(value: Any) -> bool:
    """Whether the numbers of a pair can be looked at here."""
    return not (isinstance(value, tuple) and any(isinstance(x, jax.core.Tracer) for x in value))


def gradient(
    weight_decay: ScalarOrSchedule = 0, maximize: bool = False
) -> list[GradientTransformation]:
    """Minus the gradient to maximise, then the coupled decay: before all moments."""
    uphill = leafwise(jnp.negative, name="maximize", role="gradient", metric=unit_metric)
    return [*([uphill] if maximize else []), *decay(weight_decay)]


def decay(weight_decay: ScalarOrSchedule) -> list[GradientTransformation]:
    """The weights times the decay, added; nothing for a decay of zero."""
    return [add_decayed_weights(weight_decay)] if given(weight_decay) else []
