"""A PyTorch run continued: its optimiser's ``state_dict()`` as a transformation and a state."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from regopt_jax import _trees
from regopt_jax._core import GradientTransformation, adopt
from regopt_jax._trees import PyTree
from regopt_jax.interop.torch.adafactor import AdafactorState, relaid
from regopt_jax.interop.torch.asgd import AverageState
from regopt_jax.interop.torch.groups import optimizer
from regopt_jax.interop.torch.moments import AmsgradState
from regopt_jax.interop.torch.muon import MuonState
from regopt_jax.transforms.momentum import DampenedTraceState

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


class _Parameter(NamedTuple):
    """One of our leaves, and what PyTorch holds of it."""

    path: str
    group: int
    state: Mapping[str, Any]


def from_torch(
    state_dict: Mapping[str, Any],
    params: PyTree,
    tx: optax.GradientTransformation | None = None,
    *,
    names: Sequence[str] | None = None,
    convert: Callable[[str, np.ndarray[Any, Any]], Any] | None = None,
    step: int | None = None,
) -> tuple[GradientTransformation, Any]:
    """Continue PyTorch's run from its optimiser's ``state_dict()``.

    Args:
      state_dict: of any optimiser of this module, with one or more parameter groups.
      params: our parameters. Their leaves are PyTorch's parameters, in its order unless
        ``names`` says otherwise; the keys of a dict are sorted. A leaf that is ``None`` is
        left out. Names that PyTorch saved (``param_names``) are used if they are our paths
        with dots, as ``dense.kernel`` is ``dense/kernel``.
      tx: what to continue under: a chain of this package's transformations that holds this
        module's optimiser, with a clip or a schedule, say. By default that optimiser alone
        with the hyperparameters in the groups, whose ``lr`` is the one last set.
      names: the paths of our leaves in PyTorch's order.
      convert: ``convert(path, array)`` is PyTorch's array in our layout, such as its
        transpose; applied to whatever has the parameter's shape. Adafactor's means of rows
        and columns follow it, as far as it keeps them or swaps the two.
      step: the number of steps done, where PyTorch does not count them (SGD, Muon) and a
        schedule needs it.

    Returns:
      The transformation and its state; the next steps are those that PyTorch would take.

    Raises:
      ValueError: a shape, a name or a count does not fit (names the leaf's path), or the
        state has no place in ``tx``.

    >>> import jax.numpy as jnp, numpy as np
    >>> groups = [{"lr": 0.5, "momentum": 0.9, "dampening": 0, "params": [0]}]
    >>> state = {0: {"momentum_buffer": np.ones(2)}}
    >>> params = {"w": jnp.zeros(2)}
    >>> tx, state = from_torch({"state": state, "param_groups": groups}, params)
    >>> tx.update({"w": jnp.zeros(2)}, state, params)[0]["w"].tolist()
    [-0.44999998807907104, -0.44999998807907104]
    """
    found = _match(state_dict, params, names)
    groups = state_dict["param_groups"]
    whole = optimizer(groups, params, {p.path: p.group for p in found}) if tx is None else adopt(tx)
    state = whole.init(params)
    if step is None and not any(parameter.state for parameter in found):
        return whole, state
    _check_steps(found, groups)
    if any("momentum_buffer" in p.state for p in found) and _rate_before_momentum(whole, state):
        raise ValueError(
            "from_torch: tx has its momentum after the learning rate, PyTorch before; build tx "
            "from regopt_jax.interop.torch."
        )
    fill = _Fill(found, convert, _steps(found) if step is None else step)
    filled = jax.tree.map(fill, state, is_leaf=fill.takes)
    unused = {key for p in found for key in p.state if key in KEYS} - fill.used
    if unused:
        raise ValueError(f"from_torch: tx has no place for {', '.join(sorted(unused))}: {whole!r}.")
    return whole, filled


class _Fill:
    """A map over the states of a chain that puts PyTorch's arrays into those it knows."""

    def __init__(
        self, found: Sequence[_Parameter], convert: Callable[..., Any] | None, step: int | None
    ):
        self.found = {parameter.path: parameter.state for parameter in found}
        self.convert, self.step = convert, step
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
        if self.step is not None:
            return self.step
        if isinstance(node, DampenedTraceState):  # only the first step differs
            return 1
        raise ValueError("from_torch: PyTorch did not count the steps done; pass step=.")

    def place(self, tree: PyTree, keys: tuple[str, ...]) -> PyTree:
        leaves, treedef = _trees.flatten(tree)
        paths = _trees.leaf_paths(tree)
        held = {key for path in paths for key in self.found.get(path, ()) if key in keys}
        if not held and any(self.found.get(path) for path in paths):
            raise ValueError(f"from_torch: tx needs {keys[0]}, which PyTorch's state lacks.")
        self.used |= held
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


def _match(
    state_dict: Mapping[str, Any], params: PyTree, names: Sequence[str] | None
) -> list[_Parameter]:
    """Our leaves in PyTorch's order."""
    groups = state_dict["param_groups"]
    members = [(i, key) for i, group in enumerate(groups) for key in group["params"]]
    leaves = zip(_trees.leaf_paths(params), _trees.flatten(params)[0], strict=True)
    kept = {path: leaf for path, leaf in leaves if leaf is not None}
    if names is None:
        saved = [n.replace(".", "/") for group in groups for n in group.get("param_names", ())]
        names = saved if set(saved) == set(kept) else list(kept)
    elif sorted(names) != sorted(kept):
        wrong = ", ".join(sorted(set(names) ^ set(kept))) or "a name is repeated"
        raise ValueError(
            f"from_torch: names must be the paths of the leaves, each once; differing: {wrong}."
        )
    if len(names) != len(members):
        raise ValueError(
            f"from_torch: PyTorch has {len(members)} parameters, the tree {len(names)} leaves "
            f"({', '.join(names)}); make None those that PyTorch does not optimise."
        )
    found = []
    for path, (group, key) in zip(names, members, strict=True):
        state = {k: _array(v) for k, v in state_dict["state"].get(key, {}).items() if v is not None}
        if jnp.iscomplexobj(kept[path]) and state.keys() - {"momentum_buffer"}:
            raise ValueError(
                f"from_torch: the leaf at '{path}' is complex: PyTorch's state is that of two "
                "real numbers."
            )
        found.append(_Parameter(path, group, state))
    return found


def _array(x: Any) -> np.ndarray[Any, Any]:
    """A tensor of any device and dtype; NumPy has no bfloat16 to take it as."""
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        x = (x.float() if str(x.dtype) == "torch.bfloat16" else x).numpy()
    return np.array(x)  # a copy: the tensor may go on changing


def _steps(found: Sequence[_Parameter]) -> int | None:
    return next((int(p.state["step"]) for p in found if "step" in p.state), None)


def _check_steps(found: Sequence[_Parameter], groups: Sequence[Mapping[str, Any]]) -> None:
    """Here all leaves are at the same step."""
    counted = _steps(found)
    for path, group, state in found:
        late = counted is not None and int(state.get("step", 0)) != counted
        if late or (not state and groups[group].get("dampening")):
            done = "no steps" if not state else f"{int(state['step'])} steps"
            raise ValueError(
                f"from_torch: the leaf at '{path}' has done {done}, another "
                f"{'more' if counted is None else counted}; make None one that gets no gradient."
            )


def _rate_before_momentum(tx: GradientTransformation, state: Any) -> bool:
    if tx.composition is None:
        return False
    rated = False
    for part, own in zip(tx.parts, tx.composition.states(state), strict=True):
        if _rate_before_momentum(part, own) or (rated and _holds(own, MOMENTA)):
            return True
        rated = rated or (tx.composition.sequential and "step_size" in part.roles)
    return False


def _holds(state: Any, kinds: tuple[type, ...]) -> bool:
    def is_one(x: Any) -> bool:
        return isinstance(x, kinds)

    return any(map(is_one, jax.tree.leaves(state, is_leaf=is_one)))
