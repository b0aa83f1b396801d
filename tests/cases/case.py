"""What a row of ``tests/cases/`` says."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import optax

import regopt_jax as ro

OptaxMaker = Callable[[], optax.GradientTransformation]


def on_key_data(init: Callable[..., Any], update: Callable[..., Any]) -> tuple[Any, Any]:
    """The same pair on states whose keys are arrays of their data."""

    def has_key(x: Any) -> bool:
        return "rng_key" in getattr(x, "_fields", ())

    def keys(change: Callable[[Any], Any], state: Any) -> Any:
        def on_node(x: Any) -> Any:
            return x._replace(rng_key=change(x.rng_key)) if has_key(x) else x

        return jax.tree.map(on_node, state, is_leaf=has_key)

    def init_data(params: Any) -> Any:
        return keys(jax.random.key_data, init(params))

    def update_data(updates: Any, state: Any, params: Any = None, **extra: Any) -> Any:
        state = keys(jax.random.wrap_key_data, state)
        updates, state = update(updates, state, params, **extra)
        return updates, keys(jax.random.key_data, state)

    return init_data, update_data


def as_made(tx: Any, init: Any, update: Any, run: Any = None) -> ro.GradientTransformation:
    """Other functions that are described as ``tx`` is."""
    new = ro.GradientTransformation(init, update, nature=tx.nature, made=tx.made, run=run)
    new.built = tx.built
    return new


@dataclasses.dataclass(frozen=True)
class Allowance:
    """How far a row may honestly lie from what it is compared with, and what it may keep.

    Attributes:
      ulps: how far float32 may lie from Optax, in units of the largest element.
      bfloat16_ulps: the same for bfloat16 leaves or slots.
      optax_dtype: a dtype narrower than the parameters' that Optax computes in, in a slot
        of its state or in a schedule, which bounds what can be compared.
      differences: Optax's update is the new parameters less the old, rounded like them;
        except where it is float64, only the parameters are compared.
      stores_gradients: XLA stores the gradients that the step has changed (decayed, divided),
        as it uses them twice: in a training step, over those that it was given.
      keeps_params: the state holds parameters; rounded, they stray by a part of their size, not
        of their way.
      subtracts: a step takes the differences to what the state holds, which bfloat16 rounds away.
      inverts: it multiplies by one over a slot whose elements are far apart, so that in few bits a
        small one is far off.
      copies: how many arrays like each parameter a step keeps beyond that.
    """

    ulps: float = 8
    bfloat16_ulps: float = 8
    optax_dtype: Any = None
    differences: bool = False
    stores_gradients: bool = False
    copies: int = 0
    keeps_params: bool = False
    subtracts: bool = False
    inverts: bool = False


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
      extra_args: what ``update`` of ours and theirs gets by name, such as ``value``.
      around: where its parameters or updates are of a kind of their own, what makes of it a
        transformation like any other.
      needs_params: ``update`` needs the parameters.
      complex: defined for complex parameters, as in the oracle.
      real: complex parameters are refused by path.
      leaves_alike: the same formula for every leaf, whatever its path and rank.
      across: the formula needs numbers from the whole tree, or array, such as a norm.
      gradient_scale: a factor on the gradients, where the usual ones grow the weights forever.
      bad_steps: the steps, from 0, at which a gradient is not a number.
      unsteady: why a gradient that stays the same is not divided by the metric, if so.
      random: the state holds a key, ``rng_key``, which the laws see as its data.
      searches: its update is a loop of as many rounds as it takes, which is differentiable
        forwards alone.
      wide_updates: its updates of weights of 16 bits are float32.
      theirs_inside: a part is Optax's own, which relies on implicit promotion.
      allow: where it honestly differs, and by how much.
    """

    name: str
    make: partial
    optax: OptaxMaker | None = None
    numpy: Callable[[], Any] | None = None
    torch: Callable[[list], Any] | None = None
    torch_learning_rate: Callable[[int], float] | None = None
    wrong: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    numerator: Callable[..., Any] | None = None
    extra_args: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    around: Callable[[Any], Any] = lambda tx: tx
    needs_params: bool = False
    complex: bool = True
    real: bool = False
    leaves_alike: bool = True
    across: bool = False
    gradient_scale: float = 1.0
    bad_steps: tuple[int, ...] = ()
    unsteady: str = ""
    random: bool = False
    searches: bool = False
    wide_updates: bool = False
    theirs_inside: bool = False
    allow: Allowance = Allowance()

    def ours(self, **hyperparams: Any) -> ro.GradientTransformation:
        """Built as the row says, with some arguments changed."""
        return self.given(self.around(self.make(**hyperparams)))

    def theirs(self) -> "optax.GradientTransformation":
        assert self.optax is not None
        return self.given(self.optax())

    def given(self, tx: Any) -> Any:
        """``tx`` whose ``update`` gets the row's extra arguments."""
        if not (self.extra_args or self.random):
            return tx
        init, update = tx.init, partial(tx.update, **self.extra_args)
        if self.random:
            init, update = on_key_data(init, update)
        if not isinstance(tx, ro.GradientTransformation):
            return optax.GradientTransformationExtraArgs(init, update)

        def run(mode, updates, state, params, extra):
            return tx.run(mode, updates, state, params, {**self.extra_args, **extra})

        return as_made(tx, init, update, None if self.random else run)

    @property
    def public_name(self) -> str:
        return self.make.func.__name__

    def __repr__(self) -> str:
        return self.name
