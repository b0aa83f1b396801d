"""The protocol.

A gradient transformation is Optax's pair of pure functions,

    init(params) -> state,        update(updates, state, params) -> (updates, state).

Here the pair also carries a description of itself as data, which placing a
regulariser, the proximal map and reading the learning rate all work from.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import optax

from regopt_jax import _vectors
from regopt_jax._hyperparams import shown
from regopt_jax._trees import ParamsNeededError, PyTree

Role = Literal[
    "gradient", "precondition", "step_size", "step", "regularizer", "composite", "unknown"
]
# Of what sets the size of a step: updates before it are directions, after it steps.
SIZING: frozenset[Role] = frozenset({"step_size", "step"})
Metric = Callable[[Any, PyTree], PyTree]
EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclasses.dataclass(frozen=True)
class Composition:
    """How a transformation is made of others.

    Attributes:
      parts: the others, in the order in which they run.
      labels: what each is called within the whole.
      states: the parts' own states, from the state of the whole.
      rebuild: the same composition of other parts.
      sequential: a chain: each part works on what the one before it returned.
      gate: the whole may hold a step back and return zero updates.
      at: the parts in force at a state, where hyperparameters are kept in it.
      edit: the same composition of changed parts, where ``at`` makes them anew.
      narrow: what each part gets of a tree, where that is not the whole tree.
      across: the whole works across elements even where its parts do not.
    """

    parts: tuple["GradientTransformation", ...]
    labels: tuple[str, ...]
    states: Callable[[Any], tuple[Any, ...]]
    rebuild: Callable[[Sequence["GradientTransformation"]], "GradientTransformation"]
    sequential: bool = False
    gate: bool = False
    at: Callable[[Any], tuple["GradientTransformation", ...]] | None = None
    edit: Callable[["Change"], "GradientTransformation"] | None = None
    narrow: Callable[[PyTree], Sequence[PyTree]] | None = None
    across: bool = False

    def parts_at(self, state: Any) -> tuple["GradientTransformation", ...]:
        """The parts with the hyperparameters that are in force at ``state``."""
        return self.parts if self.at is None else self.at(state)

    def narrowed(self, tree: PyTree) -> Sequence[PyTree]:
        """What each part gets of a tree; ``optax.MaskedNode`` is in place of what it does not."""
        return [tree] * len(self.parts) if self.narrow is None else self.narrow(tree)

    def map(self, change: "Change") -> "GradientTransformation":
        """The same composition, with ``change`` applied to each part."""
        if self.edit is not None:
            return self.edit(change)
        return self.rebuild([change(part) for part in self.parts])


Change = Callable[["GradientTransformation"], "GradientTransformation"]


class GradientTransformation(optax.GradientTransformationExtraArgs):
    """Optax's ``(init, update)`` pair that also says what it is.

    Attributes:
      name: the name of the function that made it.
      hyperparams: its hyperparameters by name; a value may be a schedule.
      role: what it works on: the ``gradient`` (clipping), the direction of the
        step (``precondition``: moments, signs), the ``step_size``, the whole ``step``,
        whose size is not one factor, a ``regularizer`` added to either, or a
        ``composite`` of others.
      elementwise: whether each output element depends on the same element of
        the inputs and on scalars only.
      metric: ``metric(state, params)``, with the state *after* an update, is the
        positive diagonal that this update divided by: a tree like ``params`` of
        arrays that broadcast to its leaves. ``None`` where there is none.
      composition: the parts, for a transformation made of others.
      in_place: how :meth:`step` runs, where that is not ``update`` and adding.
    """

    name: str
    hyperparams: Mapping[str, Any]
    role: Role
    elementwise: bool
    metric: Metric | None
    composition: Composition | None
    in_place: Callable[..., tuple[PyTree, Any]] | None

    def __new__(
        cls,
        init: Callable[..., Any],
        update: Callable[..., Any],
        *,
        name: str = "",
        hyperparams: Mapping[str, Any] = EMPTY,
        role: Role = "unknown",
        elementwise: bool = False,
        metric: Metric | None = None,
        composition: Composition | None = None,
        in_place: Callable[..., tuple[PyTree, Any]] | None = None,
    ) -> "GradientTransformation":
        self = super().__new__(cls, init, update)
        self.name = name
        self.hyperparams = dict(hyperparams)
        self.role = role
        self.elementwise = elementwise
        self.metric = metric
        self.composition = composition
        self.in_place = in_place
        return self

    def step(
        self, grads: PyTree, state: Any, params: PyTree, **extra_args: Any
    ) -> tuple[PyTree, Any]:
        """The new parameters and state: ``update``, then ``apply_updates``.

        A transformation that may hold a step back, such as ``accumulate``, then touches
        neither, instead of adding zeros.
        """
        if self.in_place is not None:
            return self.in_place(grads, state, params, **extra_args)
        updates, state = self.update(grads, state, params, **extra_args)
        return _vectors.apply_updates(params, updates), state

    @property
    def parts(self) -> tuple["GradientTransformation", ...]:
        """The transformations this one is made of, in order; empty for a primitive."""
        return self.composition.parts if self.composition else ()

    @property
    def roles(self) -> frozenset[Role]:
        """The roles of the primitives that this one is made of in the end."""
        if not self.parts:
            return frozenset({self.role})
        return frozenset().union(*(part.roles for part in self.parts))

    def named(self, name: str, **hyperparams: Any) -> "GradientTransformation":
        """The same transformation under the name (and hyperparameters) of what it implements."""
        described = {k: v for k, v in vars(self).items() if k not in ("name", "hyperparams")}

        def update(
            updates: PyTree, state: Any, params: PyTree | None = None, **extra_args: Any
        ) -> tuple[PyTree, Any]:
            try:
                return self.update(updates, state, params, **extra_args)
            except ParamsNeededError as error:
                raise ParamsNeededError(name, error.first) from None

        return type(self)(self.init, update, name=name, hyperparams=hyperparams, **described)

    def __repr__(self) -> str:
        given = [f"{key}={shown(value)}" for key, value in self.hyperparams.items()]
        return f"{self.name}({', '.join([*given, *map(repr, self.parts)])})"


class Opaque(GradientTransformation):
    """A transformation of another package, of which only the name is known."""

    def __repr__(self) -> str:
        return f"{self.name} (opaque)"


def adopt(tx: optax.GradientTransformation) -> GradientTransformation:
    """Any transformation of the protocol as one of ours, with what is known of it.

    Raises:
      TypeError: ``tx`` is not an ``(init, update)`` pair.
    """
    if isinstance(tx, GradientTransformation):
        return tx
    if not isinstance(tx, optax.GradientTransformation):
        inside = isinstance(tx, list | tuple) and any(
            isinstance(x, optax.GradientTransformation) for x in tx
        )
        raise TypeError(
            f"Expected a gradient transformation (an (init, update) pair), got {tx!r}. "
            + (
                "Unpack it: chain(*transformations)."
                if inside
                else "Did you forget to call the function that makes it?"
            )
        )
    package = getattr(tx.update, "__module__", "").split(".")[0]
    maker = getattr(tx.update, "__qualname__", "unknown").split(".")[0]
    return Opaque(*optax.with_extra_args_support(tx), name=f"{package}.{maker}".strip("."))
