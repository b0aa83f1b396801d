"""What a row of ``tests/cases.py`` says."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import optax

OptaxMaker = Callable[[], optax.GradientTransformation]


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A row.

    Attributes:
      name: of the row; the public name, then what is special.
      make: a ``functools.partial`` of the public function that builds ours.
      optax: builds Optax's; its updates and states must equal ours.
      numpy: builds the oracle of ``tests/oracles/formulas.py``.
      torch: builds the ``torch.optim`` optimiser of a list of weights.
      torch_learning_rate: a schedule to set on it.
      wrong: hyperparameters that must be refused, by the name in the error.
      numerator: ``(gradients, state after, t) -> tree`` that the update is, divided by
        the metric, with its sign; t counts from 1.
      needs_params: ``update`` needs the parameters.
      complex: defined for complex parameters, as in the oracle.
      leaves_alike: the same formula for every leaf, whatever its path and rank.
      across: the formula needs numbers from the whole tree, such as a norm.
      bad_steps: the steps, from 0, at which a gradient is not a number.
      optax_dtype: a dtype narrower than the parameters' that Optax computes in, in a slot
        of its state or in a schedule, which bounds what can be compared.
      theirs_inside: a part is Optax's own, which relies on implicit promotion.
      ulps: how far float32 may lie from Optax, in units of the largest element.
      bfloat16_ulps: the same for bfloat16 leaves or slots.
    """

    name: str
    make: partial
    optax: OptaxMaker | None = None
    numpy: Callable[[], Any] | None = None
    torch: Callable[[list], Any] | None = None
    torch_learning_rate: Callable[[int], float] | None = None
    wrong: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    numerator: Callable[..., Any] | None = None
    needs_params: bool = False
    complex: bool = True
    leaves_alike: bool = True
    across: bool = False
    bad_steps: tuple[int, ...] = ()
    optax_dtype: Any = None
    theirs_inside: bool = False
    ulps: float = 8
    bfloat16_ulps: float = 8

    @property
    def public_name(self) -> str:
        return self.make.func.__name__

    def __repr__(self) -> str:
        return self.name
