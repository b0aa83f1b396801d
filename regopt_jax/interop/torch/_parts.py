"""What PyTorch's optimisers share: their checks, and what they do to a gradient first."""

from typing import Any

import jax
import jax.numpy as jnp

from regopt_jax import _hyperparams
from regopt_jax._core import GradientTransformation
from regopt_jax._hyperparams import ScalarOrSchedule
from regopt_jax._leafwise import leafwise, unit_metric
from regopt_jax._trees import ArrayLike
from regopt_jax.regularizers.gradients import add_decayed_weights

Pair = tuple[ArrayLike, ArrayLike]
NONNEGATIVE = "[0, inf)"


def given(value: Any) -> bool:
    """Whether a hyperparameter asks for its part: anything but the number zero."""
    return not _hyperparams.is_number(value, 0)


def known(value: Any) -> bool:
    """Whether the numbers of a pair can be looked at here."""
    return not (isinstance(value, tuple) and any(isinstance(x, jax.core.Tracer) for x in value))


def check(
    who: str, lr: ScalarOrSchedule, weight_decay: ScalarOrSchedule = 0, **others: tuple[Any, str]
) -> None:
    """Check the learning rate, the weight decay and others, under PyTorch's names for them."""
    ranges = {"lr": (lr, NONNEGATIVE), "weight_decay": (weight_decay, NONNEGATIVE), **others}
    _hyperparams.check(who, **ranges)


def gradient(
    weight_decay: ScalarOrSchedule = 0, maximize: bool = False
) -> list[GradientTransformation]:
    """Minus the gradient to maximise, then the coupled decay: before all moments."""
    uphill = leafwise(jnp.negative, name="maximize", role="gradient", metric=unit_metric)
    return [*([uphill] if maximize else []), *decay(weight_decay)]


def decay(weight_decay: ScalarOrSchedule) -> list[GradientTransformation]:
    """The weights times the decay, added; nothing for a decay of zero."""
    return [add_decayed_weights(weight_decay)] if given(weight_decay) else []
