"""What Optax warns of when something is made, said here too."""

import warnings
from collections.abc import Mapping
from typing import Any

_RENAMED = {
    "global_norm": "tree.norm",
    "optimistic_adam": "optimistic_adam_v2",
    "inject_stateful_hyperparams": "inject_hyperparams",
}
_NOISY = ("add_noise", "noisy_sgd", "differentially_private_aggregate", "dpsgd")


def warn(name: str, arguments: Mapping[str, Any], stacklevel: int) -> None:
    """Give the warnings of Optax's function of this name, called so."""
    if name in _RENAMED:
        message = f"`{name}` is deprecated, please use `{_RENAMED[name]}` instead."
        warnings.warn(message, DeprecationWarning, stacklevel + 1)
    if name in _NOISY and arguments["seed"] is not None:
        message = f'{name}: "seed" is deprecated, use "key".'
        warnings.warn(message, DeprecationWarning, stacklevel + 1)
    elif name in _NOISY and arguments.get("key") is None:
        message = f"{name}: specifying a key will be required."
        warnings.warn(message, UserWarning, stacklevel + 1)
