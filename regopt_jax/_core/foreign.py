"""Transformations of other packages, taken for what is known of them."""

from collections.abc import Mapping
from typing import Any

import optax

from regopt_jax._core.by_name import is_transformation
from regopt_jax._core.made import Made
from regopt_jax._core.nature import Rule
from regopt_jax._core.protocol import GradientTransformation, primitive, transformations_in
from regopt_jax._core.show import foreign_name, shown


def as_transformation(tx: optax.GradientTransformation) -> GradientTransformation:
    """Any transformation of the protocol as one of ours, with what is known of it.

    As in Optax, extra arguments reach its ``update`` if it is a
    ``GradientTransformationExtraArgs``. An object with ``init`` and ``update``, such as
    ``MultiSteps``, is taken for the pair.

    Raises:
      TypeError: ``tx`` is not an ``(init, update)`` pair.
    """
    if isinstance(tx, GradientTransformation):
        return tx
    if not is_transformation(tx):
        inside = isinstance(tx, list | tuple) and bool(transformations_in(tx))
        raise TypeError(
            f"Expected a gradient transformation (an (init, update) pair), got {tx!r}. "
            + (
                "Unpack it: chain(*transformations)."
                if inside
                else "Did you forget to call the function that makes it?"
            )
        )
    inner = getattr(tx, "gradient_transformation", None)
    if callable(inner) and isinstance(own := inner(), GradientTransformation):
        return own
    made = _Foreign(foreign_name(tx.update), {"tx": tx}, as_transformation)
    init, update = optax.with_extra_args_support(tx)
    return primitive(init, update, Rule(in_force=_injected, factor=_injected_factor), made)


class _Foreign(Made):
    """What is known of another package's transformation: the name of what made it."""

    def __repr__(self) -> str:
        return shown(self.arguments["tx"])

    __str__ = __repr__


def _injected(state: Any) -> Mapping[str, Any]:
    """What ``optax.inject_hyperparams`` keeps in its state."""
    return dict(getattr(state, "hyperparams", {}))


def _injected_factor(state: Any) -> Any:
    rate = _injected(state).get("learning_rate")
    return None if rate is None else -rate
