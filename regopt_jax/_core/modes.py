"""What a run of a transformation is asked for: an update, or new parameters.

Most transformations return updates, which are then added to the parameters. A gate, such as
gradient accumulation, may hold a step back. Its update is then zeros, which still have to be
written and added; asked for parameters, it returns them untouched. So whatever is made of
parts is written once, as ``run(mode, updates, state, params, extra_args)``, and ends by
``mode.land(updates)``, or hands the mode on to the part that ends it. ``update`` and ``step`` of
:class:`GradientTransformation` are its two uses.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from regopt_jax._core import matching, vectors
from regopt_jax._core.trees import PyTree


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Mode:
    """What comes out of a run; this one: updates."""

    def land(self, updates: PyTree) -> Any:
        """What comes out for these updates."""
        return updates

    def hold(self, shapes: Any) -> Any:
        """What comes out when the step is held back: shaped like what ``land`` returns."""
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    def reach(self, who: str, target: PyTree, params: PyTree) -> Any:
        """What comes out when the parameters are to become ``target``."""
        return self.land(matching.map_leaves(who, jnp.subtract, target, parameters=params))

    def seen(self, see: Callable[[PyTree], PyTree]) -> "Mode":
        """The mode for a part that sees ``see(tree)`` of every tree."""
        return self


UPDATE = Mode()


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Onto(Mode):
    """Out come parameters: the updates added to ``base``."""

    base: PyTree

    def land(self, updates: PyTree) -> PyTree:
        """The new parameters."""
        return vectors.apply_updates(self.base, updates)

    def hold(self, shapes: Any) -> PyTree:
        """The parameters, untouched."""
        return self.base

    def reach(self, who: str, target: PyTree, params: PyTree) -> PyTree:
        """The target itself: no difference is taken and added again."""
        own, given = jax.tree.leaves(self.base), jax.tree.leaves(params)
        if len(own) != len(given) or any(a is not b for a, b in zip(own, given, strict=True)):
            return super().reach(who, target, params)
        return vectors.replaced(params, target)

    def seen(self, see: Callable[[PyTree], PyTree]) -> Mode:
        """Onto what the part sees of them."""
        return Onto(see(self.base))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Then(Mode):
    """The updates changed by ``function(updates, *others)`` before they land in another mode."""

    function: Callable[..., PyTree] = dataclasses.field(metadata={"static": True})
    others: tuple[PyTree, ...]
    mode: Mode

    def land(self, updates: PyTree) -> Any:
        """What comes out for the changed updates."""
        return self.mode.land(self.function(updates, *self.others))

    def hold(self, shapes: Any) -> Any:
        """As without the change: nothing is there to be changed."""
        return self.mode.hold(shapes)

    def seen(self, see: Callable[[PyTree], PyTree]) -> Mode:
        """The function is then given what the part sees."""
        return Then(self.function, tuple(map(see, self.others)), self.mode.seen(see))


def run_if(
    condition: Any,
    part: Any,
    mode: Mode,
    updates: PyTree,
    state: Any,
    params: PyTree | None,
    extra: Mapping[str, Any],
) -> tuple[Any, Any]:
    """What comes out, and the state, of a ``part`` that runs where the condition holds."""

    def run(mode: Mode, updates: PyTree, state: Any, params: Any) -> tuple[Any, Any]:
        out: tuple[Any, Any] = part.run(mode, updates, state, params, extra)
        return out

    def hold(mode: Mode, updates: PyTree, state: Any, params: Any) -> tuple[Any, Any]:
        return held(run, mode, updates, state, params), state

    return run_or_hold(condition, run, hold, mode, updates, state, params)


def held(run: Callable[..., tuple[Any, ...]], mode: Mode, *operands: Any) -> Any:
    """What comes first out of ``run(mode, *operands)`` when the step is held back."""
    return mode.hold(jax.eval_shape(lambda *operands: run(mode, *operands)[0], *operands))


def run_or_hold(
    condition: Any, run: Callable[..., Any], hold: Callable[..., Any], *operands: Any
) -> Any:
    """``lax.cond`` in which what ``run`` returns takes the dtypes that ``hold`` returns.

    An array that is given twice, as parameters and as what the step goes onto, is one operand:
    two would be two buffers.
    """
    treedef: Any
    leaves, treedef = jax.tree.flatten(operands)
    once = list({id(x): x for x in leaves}.values())
    place = {id(x): i for i, x in enumerate(once)}
    places = [place[id(x)] for x in leaves]

    def on_all(branch: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *xs: branch(*treedef.unflatten([xs[i] for i in places]))

    def stable(*xs: Any) -> Any:
        shapes = jax.eval_shape(on_all(hold), *xs)
        return jax.tree.map(_like, on_all(run)(*xs), shapes)

    return jax.lax.cond(condition, stable, on_all(hold), *once)


def _like(new: Any, old: jax.ShapeDtypeStruct) -> jax.Array:
    """``new`` with the dtype and, if it has it, the weak type of ``old``."""
    same = jnp.result_type(new) == old.dtype and old.weak_type
    return jnp.asarray(new) if same else jax.lax.convert_element_type(new, old.dtype)
