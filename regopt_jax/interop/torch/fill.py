"""Where PyTorch's arrays lie in a state of ours."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from regopt_jax._core import GradientTransformation, PyTree, trees
from regopt_jax._core.derived import seen
from regopt_jax._core.nature import Chain, Rule
from regopt_jax.interop.torch.adafactor import AdafactorState, relaid
from regopt_jax.interop.torch.asgd import AverageState
from regopt_jax.interop.torch.moments import AmsgradState
from regopt_jax.interop.torch.muon import MuonState
from regopt_jax.transforms.trace import DampenedTraceState

ADAM = {"mu": ("exp_avg",), "nu": ("exp_avg_sq", "exp_inf")}
# What PyTorch calls the slots of each state.
SLOTS: Mapping[type, Mapping[str, tuple[str, ...]]] = {
    optax.TraceState: {"trace": ("momentum_buffer",)},
    DampenedTraceState: {"trace": ("momentum_buffer",)},
    MuonState: {"momentum_buffer": ("momentum_buffer",)},
    optax.ScaleByRmsState: {"nu": ("square_avg",)},
    optax.ScaleByRStdDevState: {"mu": ("grad_avg",), "nu": ("square_avg",)},
    optax.ScaleByAdamState: ADAM,
    AmsgradState: ADAM | {"nu_max": ("max_exp_avg_sq",)},
    optax.ScaleByRssState: {"sum_of_squares": ("sum",)},
    optax.ScaleByAdaDeltaState: {"e_g": ("square_avg",), "e_x": ("acc_delta",)},
    # Of the last step only the sign counts: the gradient's.
    optax.ScaleByRpropState: {"step_sizes": ("step_size",), "prev_updates": ("prev",)},
    AverageState: {"ax": ("ax",)},
    AdafactorState: {key: (key,) for key in ("row_var", "col_var", "variance")},
}
MOMENTA = tuple(kind for kind, s in SLOTS.items() if ("momentum_buffer",) in s.values())
FACTORS = ("row_var", "col_var")
KEYS = {key for fields in SLOTS.values() for keys in fields.values() for key in keys}


class Parameter(NamedTuple):
    """One of our leaves, and what PyTorch holds of it."""

    path: str
    group: int
    state: Mapping[str, Any]


def steps_done(state: Mapping[str, Any]) -> int | None:
    """How many steps a leaf has done; ``None`` where it has, and PyTorch does not count them."""
    return int(state["step"]) if "step" in state else None if state else 0


def filled(
    tx: GradientTransformation,
    state: Any,
    params: PyTree,
    found: Sequence[Parameter],
    convert: Callable[..., Any] | None,
    step: int | None,
) -> tuple[Any, set[str]]:
    """A state with PyTorch's arrays and counts, and which of its slots have a place in it.

    Leaves at different steps must be of different parts of a partition.
    """
    nature = tx.nature
    done: set[int | None] = {step} if step is not None else {steps_done(p.state) for p in found}
    if len(done) > 1 and (isinstance(nature, Chain) or _has_groups(nature)):
        assert not isinstance(nature, Rule)
        parts, used = [], set[str]()
        inside = zip(nature.parts, nature.lens.get(state), seen(nature, params), strict=True)
        for part, own, tree in inside:
            visible = _paths(tree)
            here = [p for p in found if p.path in visible]
            new, placed = filled(part, own, tree, here, convert, None)
            parts.append(new)
            used |= placed
        return nature.lens.put(state, parts), used
    fill = _Fill(found, convert, done)
    return jax.tree.map(fill, state, is_leaf=fill.takes), fill.used


def _has_groups(nature: Any) -> bool:
    return not isinstance(nature, Rule | Chain) and nature.selects


def _paths(tree: PyTree) -> set[str]:
    leaves = zip(trees.leaf_paths(tree), trees.flatten(tree)[0], strict=True)
    return {path for path, leaf in leaves if leaf is not None}


class _Fill:
    """A map over the states of a chain that puts PyTorch's arrays into those it knows."""

    def __init__(
        self, found: Sequence[Parameter], convert: Callable[..., Any] | None, done: set[int | None]
    ):
        self.found = {parameter.path: parameter.state for parameter in found}
        self.convert, self.done = convert, done
        self.used: set[str] = set()

    def takes(self, node: Any) -> bool:
        return type(node) in SLOTS or "count" in getattr(node, "_fields", ())

    def __call__(self, node: Any) -> Any:
        if not self.takes(node):
            return node
        slots = {
            field: self.place(getattr(node, field), keys)
            for field, keys in SLOTS.get(type(node), {}).items()
        }
        if "count" in node._fields:
            slots["count"] = jnp.asarray(self.count(node), jnp.int32)
        return node._replace(**slots)

    def count(self, node: Any) -> int:
        dampened = isinstance(node, DampenedTraceState)  # of which only the first step differs
        if None in self.done and not dampened:
            raise ValueError("from_torch: PyTorch did not count the steps done; pass step=.")
        done = {1 if n is None else n for n in self.done}
        if len(done) > 1:
            raise ValueError(
                "from_torch: tx counts the steps of all leaves together, but groups of PyTorch's "
                f"have done {' and '.join(map(str, sorted(done)))}; leave tx out, or give each "
                "group a part of a partition."
            )
        return done.pop() if done else 0

    def place(self, tree: PyTree, keys: tuple[str, ...]) -> PyTree:
        leaves, treedef = trees.flatten(tree)
        paths = trees.leaf_paths(tree)
        held = {key for path in paths for key in self.found.get(path, ()) if key in keys}
        if not held and any(self.found.get(path) for path in paths):
            raise ValueError(f"from_torch: tx needs {keys[0]}, which PyTorch's state lacks.")
        self.used |= held
        for path in paths:
            own = self.found.get(path)
            if own and held.isdisjoint(own) and not _is_factored_otherwise(keys, own):
                raise ValueError(
                    f"from_torch: PyTorch's state of the leaf at '{path}' lacks {keys[0]}, which "
                    "that of another has."
                )
        return treedef.unflatten(
            [
                leaf if leaf is None else self.one(path, leaf, held)
                for path, leaf in zip(paths, leaves, strict=True)
            ]
        )

    def one(self, path: str, slot: Any, held: set[str]) -> Any:
        state = self.found[path]
        key = next((key for key in held if key in state), None)
        if key is None:
            return slot
        array = self.converted(path, key, state)
        if np.shape(array) != slot.shape:
            raise ValueError(
                f"from_torch: the {key} of the leaf at '{path}' has shape {np.shape(array)}, "
                f"not {slot.shape}; names= sets the order and convert= the layout."
            )
        return jnp.asarray(array, slot.dtype)

    def converted(self, path: str, key: str, state: Mapping[str, Any]) -> Any:
        """An array of PyTorch's in our layout."""
        if self.convert is None:
            return state[key]
        convert = partial(self.convert, path)
        if key not in FACTORS:
            return convert(state[key])
        factors = relaid(state["row_var"], state["col_var"], convert)
        if factors is None:
            raise ValueError(
                f"from_torch: Adafactor's rows and columns are PyTorch's last two axes, which "
                f"convert= moves apart for the leaf at '{path}'; only their places may change."
            )
        return factors[FACTORS.index(key)]


def _is_factored_otherwise(keys: tuple[str, ...], state: Mapping[str, Any]) -> bool:
    """Whether Adafactor keeps a leaf's squares in the other of its two ways."""
    if keys[0] in FACTORS:
        return "variance" in state
    return keys[0] == "variance" and all(key in state for key in FACTORS)
