"""The protocol: Optax's pair of pure functions, which here also says what it is.

init(params) -> state,        update(updates, state, params) -> (updates, state).
"""

from collections.abc import Callable, Mapping
from typing import Any

import optax

from regopt_jax._core import derived, matching, packed, trees
from regopt_jax._core.by_name import by_name, is_transformation
from regopt_jax._core.made import Made, maker, remake
from regopt_jax._core.matching import ParamsNeededError
from regopt_jax._core.modes import UPDATE, Mode, Onto
from regopt_jax._core.nature import Chain, Metric, Nature, Role, Rule
from regopt_jax._core.show import foreign_name
from regopt_jax._core.tolerance import kept, strict
from regopt_jax._core.trees import PyTree, fast
from regopt_jax._core.untrained import is_array, trainable, with_gradients

Run = Callable[..., tuple[Any, Any]]


class GradientTransformation(optax.GradientTransformationExtraArgs):
    """Optax's ``(init, update)`` pair that also says what it is.

    Put together by hand, its ``update`` may be any function of updates, state and parameters: it
    gets the extra arguments that it takes.

    Attributes:
      made: the public function that made it, and the arguments it got.
      nature: a :class:`Rule`, a :class:`Chain` or a :class:`Wrapper`.
      built: the call that put its parts together: ``made``, or what the function called in the
        end; of ``adam`` a ``chain``.
    """

    made: Made
    nature: Nature
    built: Made

    def __new__(
        cls,
        init: Callable[..., Any],
        update: Callable[..., Any],
        *,
        nature: Nature | None = None,
        made: Made | None = None,
        run: Run | None = None,
    ) -> "GradientTransformation":
        self = super().__new__(cls, kept(init), kept(by_name(update)))
        self.nature = Rule() if nature is None else nature
        self.made = self.built = Made(maker() or foreign_name(update)) if made is None else made
        self._run = run and kept(run)
        self._name = self._named_by = ""
        return self

    def run(
        self,
        mode: Mode,
        updates: PyTree,
        state: Any,
        params: PyTree | None,
        extra: Mapping[str, Any],
    ) -> tuple[Any, Any]:
        """What ``mode`` asks for, and the new state; see ``_core/modes.py``."""
        if self._run is not None:
            return self._run(mode, updates, state, params, extra)
        updates, state = self.update(updates, state, params, **extra)
        return mode.land(updates), state

    def step(
        self, grads: PyTree, state: Any, params: PyTree, **extra_args: Any
    ) -> tuple[PyTree, Any]:
        """The new parameters and state: ``update``, then ``apply_updates``.

        A transformation that holds the step back, such as ``accumulate``, then leaves the
        parameters untouched, instead of adding zeros.
        """
        return self.run(Onto(params), grads, state, params, extra_args)

    @property
    def name(self) -> str:
        """What it is called: as the function that made it, unless it was :meth:`named`."""
        return self._name or self.made.name

    @property
    def hyperparams(self) -> dict[str, Any]:
        """The arguments of the call that made it, but for other transformations.

        Of what was edited, as by ``regularize``, those of the call that was edited.
        """
        return hyperparameters(self.built if self._name else self.made)

    @property
    def parts(self) -> tuple["GradientTransformation", ...]:
        """The transformations this one is made of, in order; empty for a primitive."""
        return () if isinstance(self.nature, Rule) else self.nature.parts

    @property
    def role(self) -> Role:
        """What it works on; see :class:`Rule`. ``composite`` where it is made of others."""
        return self.nature.role if isinstance(self.nature, Rule) else "composite"

    @property
    def roles(self) -> frozenset[Role]:
        """The roles of the primitives that this one is made of in the end."""
        if isinstance(self.nature, Rule):
            return frozenset({self.nature.role})
        return frozenset().union(*(part.roles for part in self.parts))

    @property
    def elementwise(self) -> bool:
        """Whether each output element depends on the same element of the inputs and scalars."""
        if isinstance(self.nature, Rule):
            return self.nature.elementwise
        return not getattr(self.nature, "mixes", False) and all(x.elementwise for x in self.parts)

    @property
    def metric(self) -> Metric | None:
        """The positive diagonal that an update divides by; see :class:`Rule`."""
        return derived.metric(self)

    def named(self, name: str) -> "GradientTransformation":
        """The same under another name in descriptions, such as a chain of one's own."""
        new = type(self)(*self, nature=self.nature, made=self.made, run=self._run)
        new.built, new._name, new._named_by = self.built, name, maker()
        return new

    @property
    def _key(self) -> Any:
        return tuple(self) if self.made.function is None else self.made

    def __eq__(self, other: object) -> bool:
        if isinstance(other, GradientTransformation):
            return bool(self._key == other._key)
        return tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._key)

    @classmethod
    def _make(cls, iterable: Any) -> "GradientTransformation":
        return cls(*iterable)

    def _replace(self, **functions: Any) -> "GradientTransformation":
        """With another ``init`` or ``update``, of which nothing is known any more."""
        if not functions:
            return self
        return type(self)(functions.pop("init", self.init), functions.pop("update", self.update))

    def __copy__(self) -> "GradientTransformation":
        return self

    def __deepcopy__(self, memo: Any) -> "GradientTransformation":
        return self

    def __reduce__(self) -> Any:
        if self.made.function is None:
            return _by_hand, (*self, vars(self))
        return remake, (self.made.function, *self.made.call())

    def __repr__(self) -> str:
        return repr(self.made)


def _by_hand(init: Any, update: Any, described: Mapping[str, Any]) -> GradientTransformation:
    tx = GradientTransformation(init, update)
    tx.__dict__.update(described)
    return tx


def composed(
    init: Callable[..., Any], run: Run, nature: Nature, made: Made | None = None
) -> GradientTransformation:
    """A transformation made of parts, from ``run(mode, updates, state, params, extra_args)``.

    Every composite passes here. Packed buffers, which have lost where one array ends and the
    next begins, are refused where it works across elements by itself; its parts see to theirs.
    What is no array in a model, and has no gradient, is ``None`` to it.
    """
    name = maker()
    paired = derived.takes_pairs(nature)
    passes_on = isinstance(nature, Chain) or getattr(nature, "selects", False)

    def own_run(
        mode: Mode, updates: PyTree, state: Any, params: PyTree | None, extra: Mapping[str, Any]
    ) -> tuple[Any, Any]:
        if not passes_on:
            matching.check_inexact(name, updates)
        if not paired:
            params = with_gradients(updates, _like(updates, params), is_array)
        return run(mode, updates, state, params, extra)

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra_args: Any
    ) -> tuple[PyTree, Any]:
        return own_run(UPDATE, updates, state, params, extra_args)

    mixes = getattr(nature, "mixes", False)
    checked = trees.on_shapes_too(packed.refusing(name, init) if mixes else init)
    return GradientTransformation(checked, update, nature=nature, made=made, run=own_run)


def primitive(
    init: Callable[..., Any],
    update: Callable[..., Any],
    rule: Rule,
    made: Made | None = None,
    *,
    of_any_dtype: bool = False,
) -> GradientTransformation:
    """A transformation that is not made of others; see :func:`composed` for packed buffers.

    It may be given a whole model: leaves that have no gradient (integers, functions) are ``None``
    to it, and their gradients must be, but for those ``of_any_dtype``.
    """
    name = made.name if made else maker()

    def own_init(params: PyTree) -> Any:
        return init(trainable(params) if strict() else params)

    def own_update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra_args: Any
    ) -> tuple[PyTree, Any]:
        if not of_any_dtype:
            matching.check_inexact(name, updates)
        return update(updates, state, with_gradients(updates, _like(updates, params)), **extra_args)

    checked = own_init if rule.elementwise else packed.refusing(name, own_init)
    checked = trees.on_shapes_too(checked)
    return GradientTransformation(checked, own_update, nature=rule, made=made)


def _like(updates: PyTree, params: PyTree | None) -> PyTree | None:
    """The parameters that updates are for: of a pair of trees, before lookahead, the fast ones."""
    return params if isinstance(updates, optax.LookaheadParams) else fast(params)


def relabelled(tx: GradientTransformation, made: Made) -> GradientTransformation:
    """The same transformation as made by another call, whose name its errors then bear."""
    fresh = tx.made.function is None
    if fresh:
        new = type(tx)(*tx, nature=tx.nature, made=made, run=tx._run)
    else:

        def run(mode: Mode, *inputs: Any) -> tuple[Any, Any]:
            try:
                return tx.run(mode, *inputs)
            except ParamsNeededError as error:
                raise ParamsNeededError(made.name, error.first) from None

        def update(
            updates: PyTree, state: Any, params: PyTree | None = None, **extra_args: Any
        ) -> tuple[PyTree, Any]:
            return run(UPDATE, updates, state, params, extra_args)

        new = type(tx)(tx.init, update, nature=tx.nature, made=made, run=run)
    # A primitive's hyperparameters are those of the call that people wrote.
    if tx._named_by == made.name:  # this very function named it, or edited it and kept its name
        new._name, new._named_by = tx._name, tx._named_by
    new.built = made if fresh or isinstance(tx.nature, Rule) else tx.built
    return new


def hyperparameters(made: Made) -> dict[str, Any]:
    """The arguments of a call that hold no transformation."""
    return {name: x for name, x in made.arguments.items() if not list(transformations_in(x))}


def transformations_in(value: Any) -> list[Any]:
    """The transformations that an argument is or holds, in order."""
    if is_transformation(value):
        return [value]
    if isinstance(value, Mapping):
        return [tx for x in value.values() for tx in transformations_in(x)]
    if isinstance(value, tuple | list):
        return [tx for x in value for tx in transformations_in(x)]
    return []
