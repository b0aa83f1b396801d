"""The optimisers of the parameter groups in a PyTorch ``state_dict()``."""

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from regopt_jax._core import GradientTransformation, PyTree, trees
from regopt_jax.combine import partition
from regopt_jax.interop.torch.accumulated import adadelta, adagrad
from regopt_jax.interop.torch.adafactor import adafactor
from regopt_jax.interop.torch.adam import adam, adamax, adamw, nadam, radam
from regopt_jax.interop.torch.asgd import asgd
from regopt_jax.interop.torch.muon import muon
from regopt_jax.interop.torch.rprop import rprop
from regopt_jax.interop.torch.sgd import rmsprop, sgd

# A hyperparameter that only this optimiser has.
MARKS: Mapping[str, Callable[..., GradientTransformation]] = {
    "dampening": sgd,
    "centered": rmsprop,
    "amsgrad": adam,
    "momentum_decay": nadam,
    "lr_decay": adagrad,
    "rho": adadelta,
    "etas": rprop,
    "lambd": asgd,
    "ns_steps": muon,
    "beta2_decay": adafactor,
}


def optimizer(
    groups: Sequence[Mapping[str, Any]],
    params: PyTree,
    membership: Mapping[str, int],
    steps: Sequence[Any],
) -> GradientTransformation:
    """The optimiser of the groups; a partition if they differ, or have done different steps."""
    made = [_recipe(group) for group in groups]
    used = sorted(set(membership.values())) or [0]
    if all((made[i], steps[i]) == (made[used[0]], steps[used[0]]) for i in used):
        make, hyperparams = made[used[0]]
        return make(**hyperparams)
    leaves, treedef = trees.flatten(params)
    paths = trees.leaf_paths(params)
    each = [
        None if leaf is None else f"group_{membership[path]}"
        for path, leaf in zip(paths, leaves, strict=True)
    ]
    parts: dict[Hashable, GradientTransformation] = {
        f"group_{i}": made[i][0](**made[i][1]) for i in used
    }
    return partition(parts, treedef.unflatten(each))


def _recipe(
    group: Mapping[str, Any],
) -> tuple[Callable[..., GradientTransformation], dict[str, Any]]:
    make = next((make for mark, make in MARKS.items() if mark in group), None)
    if make is None and "betas" in group:
        make = radam if "decoupled_weight_decay" in group else adamax
    if make is None:
        raise ValueError(f"from_torch: no optimiser has the hyperparameters {sorted(group)}.")
    if make is adam and group.get("decoupled_weight_decay"):
        make = adamw
    elif make is adam and "decoupled_weight_decay" not in group and group.get("weight_decay"):
        raise ValueError(
            "from_torch: this version of PyTorch does not say whether the weight decay is Adam's "
            "or AdamW's; pass tx."
        )
    accepted = inspect.signature(make).parameters
    return make, {key: _number(value) for key, value in group.items() if key in accepted}


def _number(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(map(_number, value))
    return value.item() if hasattr(value, "item") else value
