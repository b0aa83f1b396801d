"""From flags to a transformation and a loss: tables of what can be chosen.

An optimiser, a schedule or a regulariser more is one row more.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, cast

import regopt_jax as ro
from regopt_jax._core import Schedule
from regopt_jax.demo.errors import DemoError, one_line
from regopt_jax.regularizers.regularize import Placement

KERNELS = ro.select("**/kernel")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a run's result depends on."""

    data: str
    limit: int | None
    optimizer: str
    learning_rate: float
    weight_decay: float | None
    schedule: str
    warmup_fraction: float
    regularizer: str
    strength: float
    l2_strength: float
    select: str
    placement: str
    batch_size: int
    epochs: int
    seed: int

    @property
    def label(self) -> str:
        """A name for legends and folders, such as ``adam + l1 (proximal)``."""
        if self.regularizer == "none":
            return self.optimizer
        return f"{self.optimizer} + {self.regularizer} ({self.placement})"


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """An optimiser's usual hyperparameters, and ``make(schedule, decay)``.

    ``make`` is ``None`` for the chain that brings its own schedule.
    """

    make: Callable[[Schedule, float], ro.GradientTransformation] | None
    learning_rate: float
    weight_decay: float | None = None


def _undecayed(make: Callable[..., ro.GradientTransformation], **kwargs: Any) -> Any:
    return lambda rate, decay: make(rate, **kwargs)


def _decayed(make: Callable[..., ro.GradientTransformation]) -> Any:
    return lambda rate, decay: make(rate, weight_decay=decay, mask=KERNELS)


OPTIMIZERS = {
    "recommended": Optimizer(None, 3e-3, weight_decay=0.05),
    "sgd": Optimizer(_undecayed(ro.sgd), 0.1),
    "momentum": Optimizer(_undecayed(ro.sgd, momentum=0.9), 0.05),
    "nesterov": Optimizer(_undecayed(ro.sgd, momentum=0.9, nesterov=True), 0.05),
    "rmsprop": Optimizer(_undecayed(ro.rmsprop), 1e-3),
    "adagrad": Optimizer(_undecayed(ro.adagrad), 0.02),
    "adam": Optimizer(_undecayed(ro.adam), 3e-3),
    "adamw": Optimizer(_decayed(ro.adamw), 3e-3, weight_decay=0.05),
    "nadam": Optimizer(_undecayed(ro.nadam), 3e-3),
    "lion": Optimizer(_decayed(ro.lion), 3e-4, weight_decay=0.5),
}

SCHEDULES: dict[str, Callable[[float, int], Schedule]] = {
    "cosine": ro.cosine_decay_schedule,
    "restarts": lambda rate, steps: ro.cosine_restarts(rate, math.ceil(steps / 7), t_mul=2),
    "step": lambda rate, steps: ro.step_decay(rate, math.ceil(steps / 3)),
    "linear": lambda rate, steps: ro.linear_schedule(rate, 0.0, steps),
    "constant": lambda rate, steps: ro.constant_schedule(rate),
}

REGULARIZERS: dict[str, Callable[[Settings], ro.Regularizer]] = {
    "l1": lambda s: ro.l1(s.strength),
    "l2": lambda s: ro.l2(s.strength),
    "elastic-net": lambda s: ro.elastic_net(s.strength, s.l2_strength),
    "group-lasso": lambda s: ro.group_lasso(s.strength),
    "nonnegative": lambda s: ro.nonnegative(),
}

PLACEMENTS = ("proximal", "penalty", "coupled", "decoupled", "independent", "cautious")

# The lecture's optimisers side by side: what each changes in the settings.
COMPARISON: tuple[tuple[str, dict[str, Any]], ...] = (
    ("sgd", {"optimizer": "sgd"}),
    ("momentum", {"optimizer": "momentum"}),
    ("rmsprop", {"optimizer": "rmsprop"}),
    ("adam", {"optimizer": "adam"}),
    ("adam + coupled L2", {"optimizer": "adam", "regularizer": "l2", "placement": "coupled"}),
    ("adamw (recommended)", {"optimizer": "recommended"}),
)


def schedule(settings: Settings, total_steps: int) -> Schedule:
    """The learning rate at each step: a linear warmup, then the chosen shape."""
    warmup = round(settings.warmup_fraction * total_steps)
    rate = settings.learning_rate
    shape = SCHEDULES[settings.schedule](rate, max(1, total_steps - warmup))
    return ro.join_schedules([ro.linear_warmup(rate, warmup), shape], [warmup])


def transformation(settings: Settings, total_steps: int) -> ro.GradientTransformation:
    """The optimiser with its schedule and its regulariser in place.

    Raises:
      DemoError: the flags do not go together.
    """
    try:
        tx = _optimizer(settings, total_steps)
        if settings.regularizer == "none" or settings.placement == "penalty":
            return tx
        how = cast(Placement, settings.placement)
        peak = settings.learning_rate if how == "independent" else None
        return ro.regularize(tx, _regularizer(settings), how, peak=peak)
    except (ValueError, TypeError) as error:
        raise DemoError(one_line(error)) from error


def objective(settings: Settings, loss_fn: Callable[..., Any]) -> Callable[..., Any]:
    """The loss that is descended: with the penalty where it was asked for.

    Raises:
      DemoError: a constraint has no penalty.
    """
    if settings.regularizer == "none" or settings.placement != "penalty":
        return loss_fn
    try:
        return ro.penalize(loss_fn, _regularizer(settings), has_aux=True)
    except ValueError as error:
        raise DemoError(one_line(error)) from error


def _optimizer(settings: Settings, total_steps: int) -> ro.GradientTransformation:
    row = OPTIMIZERS[settings.optimizer]
    decay = row.weight_decay if settings.weight_decay is None else settings.weight_decay
    if row.make is not None:
        return row.make(schedule(settings, total_steps), decay or 0.0)
    return ro.recommended(
        total_steps, settings.learning_rate, decay or 0.0, warmup_fraction=settings.warmup_fraction
    )


def _regularizer(settings: Settings) -> ro.Regularizer:
    return REGULARIZERS[settings.regularizer](settings).on(ro.select(settings.select))
