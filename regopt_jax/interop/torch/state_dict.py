"""A PyTorch run continued: its optimiser's ``state_dict()`` as a transformation and a state."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from regopt_jax._core import GradientTransformation, PyTree, as_transformation, trees
from regopt_jax._core.nature import Chain
from regopt_jax._core.walk import walk
from regopt_jax.interop.torch.fill import KEYS, MOMENTA, Parameter, filled, steps_done
from regopt_jax.interop.torch.groups import optimizer


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
      state_dict: of any optimiser of this module, with one or more parameter groups. Groups
        that differ, or that were added later, become the parts of a :func:`partition`.
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
      ValueError: a shape, a name or a count does not fit, or an array is missing (names the
        leaf's path); the state has no place in ``tx``; it is not an optimiser's.

    >>> import jax.numpy as jnp, numpy as np
    >>> groups = [{"lr": 0.5, "momentum": 0.9, "dampening": 0, "params": [0]}]
    >>> state = {0: {"momentum_buffer": np.ones(2)}}
    >>> params = {"w": jnp.zeros(2)}
    >>> tx, state = from_torch({"state": state, "param_groups": groups}, params)
    >>> tx.update({"w": jnp.zeros(2)}, state, params)[0]["w"].tolist()
    [-0.44999998807907104, -0.44999998807907104]
    """
    _check_form(state_dict)
    found = _match(state_dict, params, names)
    groups = state_dict["param_groups"]
    steps = _check_steps(found, groups)
    whole = (
        optimizer(groups, params, {p.path: p.group for p in found}, steps)
        if tx is None
        else as_transformation(tx)
    )
    state = whole.init(params)
    if step is None and not any(parameter.state for parameter in found):
        return whole, state
    if any("momentum_buffer" in p.state for p in found) and _rate_before_momentum(whole, state):
        raise ValueError(
            "from_torch: tx has its momentum after the learning rate, PyTorch before; build tx "
            "from regopt_jax.interop.torch."
        )
    state, used = filled(whole, state, params, found, convert, step)
    unused = {key for p in found for key in p.state if key in KEYS} - used
    if unused:
        raise ValueError(f"from_torch: tx has no place for {', '.join(sorted(unused))}: {whole!r}.")
    return whole, state


def _match(
    state_dict: Mapping[str, Any], params: PyTree, names: Sequence[str] | None
) -> list[Parameter]:
    """Our leaves in PyTorch's order."""
    groups = state_dict["param_groups"]
    members = [(i, key) for i, group in enumerate(groups) for key in group["params"]]
    leaves = zip(trees.leaf_paths(params), trees.flatten(params)[0], strict=True)
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
        found.append(Parameter(path, group, state))
    return found


def _array(x: Any) -> np.ndarray[Any, Any]:
    """A tensor of any device and dtype; NumPy has no bfloat16 to take it as."""
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        x = (x.float() if str(x.dtype) == "torch.bfloat16" else x).numpy()
    return np.array(x)  # a copy: the tensor may go on changing


def _check_form(state_dict: Any) -> None:
    """An optimiser's ``state_dict()``, not a model's."""
    keys = list(state_dict) if isinstance(state_dict, Mapping) else type(state_dict).__name__
    for key, kind in (("param_groups", Sequence), ("state", Mapping)):
        if not (isinstance(state_dict, Mapping) and isinstance(state_dict.get(key), kind)):
            raise ValueError(
                f"from_torch: expected the state_dict() of an optimiser, with 'state' and "
                f"'param_groups', got {keys}; that of the model holds its parameters."
            )
    for index, group in enumerate(state_dict["param_groups"]):
        if not (isinstance(group, Mapping) and "params" in group):
            raise ValueError(f"from_torch: param_groups[{index}] has no 'params'.")


def _check_steps(found: Sequence[Parameter], groups: Sequence[Mapping[str, Any]]) -> list[Any]:
    """What the leaves of each group have done; they must be at the same step."""
    each = []
    for index, group in enumerate(groups):
        inside = [p for p in found if p.group == index]
        states = [p.state for p in inside if p.state]
        counted = next((int(state["step"]) for state in states if "step" in state), None)
        for path, _, state in inside:
            if counted is not None and state and "step" not in state:
                raise ValueError(
                    f"from_torch: PyTorch's state of the leaf at '{path}' lacks step, which that "
                    "of another has."
                )
            late = counted is not None and steps_done(state) != counted
            if late or (states and not state and group.get("dampening")):
                done = f"{steps_done(state) or 'no'} steps"
                raise ValueError(
                    f"from_torch: the leaf at '{path}' has done {done}, another "
                    f"{'more' if counted is None else counted}; make None one that gets no "
                    "gradient."
                )
        each.append(bool(states and group.get("dampening")) if counted is None else counted)
    return each


def _rate_before_momentum(tx: GradientTransformation, state: Any) -> bool:
    """Whether some chain in ``tx`` scales the step before a momentum."""
    return any(
        _in_turn(here.tx, here.state)
        for here in walk(tx, state)
        if isinstance(here.tx.nature, Chain)
    )


def _in_turn(tx: GradientTransformation, state: Any) -> bool:
    assert isinstance(tx.nature, Chain)
    rated = False
    for part, own in zip(tx.parts, tx.nature.lens.get(state), strict=True):
        if rated and _holds(own, MOMENTA):
            return True
        rated = rated or "step_size" in part.roles
    return False


def _holds(state: Any, kinds: tuple[type, ...]) -> bool:
    def is_one(x: Any) -> bool:
        return isinstance(x, kinds)

    return any(map(is_one, jax.tree.leaves(state, is_leaf=is_one)))
