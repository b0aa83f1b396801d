"""What a transformation is: a rule, a chain, or a wrapper around others.

A nature is data. What the library wants to know of a transformation (its metric, whether it is
elementwise, its roles, its learning rate, which leaves it tells apart) is derived from it in
``protocol.py`` and by ``walk``; nothing else looks at what a transformation is called. It equals
itself alone: its functions do, and so it has a hash whatever it holds.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from regopt_jax._core.optax_states import NONNEGATIVE
from regopt_jax._core.trees import PyTree

if TYPE_CHECKING:
    from regopt_jax._core.protocol import GradientTransformation

Role = Literal[
    "gradient", "precondition", "step_size", "scaling", "step", "regularizer", "composite",
    "unknown",
]  # fmt: skip
# Of what sets the size of a step: updates before it are directions, after it steps.
SIZING: frozenset[Role] = frozenset({"step_size", "step"})
Metric = Callable[[Any, PyTree], PyTree]
Masks = Callable[[PyTree], Sequence[Sequence[Any]]]
OF_OPTAX = frozenset((state, field) for state in NONNEGATIVE for field in NONNEGATIVE[state])


class Lens(NamedTuple):
    """Where the states of parts lie in the state of the whole.

    ``get`` takes apart and ``put`` puts together, on states before and after an update. On
    abstract states ``get`` is traced, so it may compute. For a state of something else it raises
    ``AttributeError``, ``TypeError``, ``KeyError`` or ``ValueError``.
    """

    get: Callable[[Any], tuple[Any, ...]]
    put: Callable[[Any, Sequence[Any]], Any]

    @property
    def decodes(self) -> bool:
        """Whether ``get`` makes of a state another that takes more bytes."""
        return False


def fields(*names: str) -> Lens:
    """The lens of a NamedTuple that holds a part's state in each of these fields."""

    def put(state: Any, inner: Sequence[Any]) -> Any:
        return state._replace(**dict(zip(names, inner, strict=True)))

    return Lens(lambda state: tuple(getattr(state, name) for name in names), put)


# Of a wrapper without a state of its own.
SAME = Lens(lambda state: (state,), lambda _, inner: inner[0])


@dataclasses.dataclass(frozen=True, eq=False)
class Rule:
    """A primitive.

    Attributes:
      role: what it works on: the ``gradient`` (clipping), the direction of the step
        (``precondition``: moments, signs), the ``step_size``, a ``scaling`` of a size that is
        set elsewhere (a plateau), the whole ``step``, whose size is not one factor, or a
        ``regularizer`` added to either.
      elementwise: whether each output element depends on the same element of the inputs and
        on scalars only.
      metric: ``metric(state, params)``, with the state *after* an update, is the positive
        diagonal that this update divided by: a tree like ``params`` of arrays that broadcast
        to its leaves. ``None`` where there is none.
      factor: ``factor(state)``, the signed number that the next update multiplies by, for the
        roles that have one.
      count: ``count(state)``, the number of updates done, where the state has it.
      averages: the fields of the state that are exponential moving averages of the gradient,
        or of its square, and the hyperparameters that they decay by.
      masks: ``masks(params)``, how it tells leaves apart: flat lists of booleans, one for
        each thing that it does; the leaves that it acts on are those in any of them.
      in_force: ``in_force(state)``, hyperparameters by name that the state holds.
      nonnegative: the fields of the state, each with its class, that are never negative and that
        a step is divided by, such as second moments; those of Optax's states by default.
    """

    role: Role = "unknown"
    elementwise: bool = False
    metric: Metric | None = None
    factor: Callable[[Any], Any] | None = None
    count: Callable[[Any], Any] | None = None
    averages: Mapping[str, str] = dataclasses.field(default_factory=dict)
    masks: Masks | None = None
    in_force: Callable[[Any], Mapping[str, Any]] | None = None
    nonnegative: frozenset[tuple[type, str]] = OF_OPTAX


@dataclasses.dataclass(frozen=True, eq=False)
class Chain:
    """Parts of which each works on what the one before it returned.

    Attributes:
      parts, names: the parts, and what each is called within the whole.
      lens: where their states lie.
      again: the same kind of chain of other parts, more or fewer.
    """

    parts: tuple["GradientTransformation", ...]
    names: tuple[str, ...]
    lens: Lens
    again: Callable[[Sequence["GradientTransformation"]], "GradientTransformation"]


@dataclasses.dataclass(frozen=True, eq=False)
class Wrapper:
    """One part, or several side by side, and what is done around them.

    Attributes:
      parts, names, lens: see :class:`Chain`.
      sees: ``sees(tree)``, what each part gets of a tree, where that is not the whole;
        ``optax.MaskedNode`` is in place of what it does not get.
      selects: each part sees some of the leaves, by a mask or labels.
      selection: the mask or the labels, where they are a tree.
      mixes: it works across elements, even where its parts do not.
      holds: it may hold a step back.
      pairs: its parameters are ``optax.LookaheadParams``; what stands before it in a chain
        sees the fast ones.
      metric: ``metric(parts, state, params)``, where all parts have one; see :class:`Rule`.
      count, masks, in_force: see :class:`Rule`.
      parts_at: the parts in force at a state, where it holds their hyperparameters.
      edit: the same wrapper around changed parts, where ``parts_at`` makes them anew; else it
        is made again by the call that made it.
    """

    parts: tuple["GradientTransformation", ...]
    names: tuple[str, ...]
    lens: Lens
    sees: Callable[[PyTree], Sequence[PyTree]] | None = None
    selects: bool = False
    selection: PyTree | None = None
    mixes: bool = False
    holds: bool = False
    pairs: bool = False
    metric: Callable[[Sequence[Any], Any, PyTree], PyTree] | None = None
    count: Callable[[Any], Any] | None = None
    masks: Masks | None = None
    in_force: Callable[[Any], Mapping[str, Any]] | None = None
    parts_at: Callable[[Any], tuple["GradientTransformation", ...]] | None = None
    edit: Callable[["Change"], "GradientTransformation"] | None = None


Nature = Rule | Chain | Wrapper
Change = Callable[["GradientTransformation"], "GradientTransformation"]
