"""The hyperparameters in force, from a transformation and its state."""

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import Array, PyTree, as_transformation, trees, value_at
from regopt_jax._core.derived import takes_pairs
from regopt_jax._core.nature import SIZING, Chain, Rule, Wrapper
from regopt_jax._core.protocol import GradientTransformation, hyperparameters
from regopt_jax._core.trees import is_abstract
from regopt_jax._core.walk import Part, another_state, walk
from regopt_jax.combine import Selector
from regopt_jax.regularizers.base import Regularizer

Path = tuple[str, ...]


def hyperparams(tx: optax.GradientTransformation, state: Any) -> dict[str, Any]:
    """Every hyperparameter that the next ``tx.update(grads, state)`` will use.

    Args:
      tx: a transformation of ours, nested or wrapped; of Optax's, what its
        ``inject_hyperparams`` keeps in the state.
      state: its state.

    Returns:
      Values by path, such as ``adamw/scale_by_learning_rate/learning_rate``;
      schedules are evaluated, and a part named twice gets its position, ``trace.1``.
      The parts of a chain say what it was made with.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.sgd(ro.linear_schedule(0.0, 1.0, 10), momentum=0.9)
    >>> state = tx.init(jnp.array(0.0))
    >>> _, state = tx.update(jnp.array(1.0), state)
    >>> float(hyperparams(tx, state)["scale_by_learning_rate/learning_rate"])
    0.10000000149011612
    """
    found: dict[str, Any] = {}
    for part in walk(as_transformation(tx), state):
        for name, value in _in_force(part).items():
            found["/".join((*part.path, name))] = value
    return found


def _in_force(part: Part) -> dict[str, Any]:
    nature, state = part.tx.nature, part.state
    if isinstance(nature, Chain):
        return {}

    def read(of_state: Any) -> Any:
        """What computes must not meet a shape where it expects an array."""
        return jax.eval_shape(of_state, state) if is_abstract(state) else of_state(state)

    values = hyperparameters(part.tx.built)
    if nature.in_force is not None:
        return {**values, **read(nature.in_force)}
    count = None if nature.count is None else read(nature.count)
    return {name: _at(value, count) for name, value in values.items()}


def _at(value: Any, count: Any) -> Any:
    """A hyperparameter in force at a count, which may be abstract; or what is no schedule."""
    if (
        count is None
        or isinstance(value, Selector)
        or not (callable(value) or isinstance(value, Regularizer))
    ):
        return value
    if isinstance(value, Regularizer):
        return value if is_abstract(count) else value.at(count)
    of_count = functools.partial(value_at, value)
    try:
        now = jax.eval_shape(of_count, count) if is_abstract(count) else of_count(count)
        is_number = jnp.issubdtype(jnp.result_type(now), jnp.number)
    except Exception:  # a function of something else, which only its own errors tell
        return value
    return now if is_number else value


def learning_rate(
    tx: optax.GradientTransformation, state: Any, params: PyTree | None = None
) -> Array | dict[str, Any]:
    """The learning rate that the next ``tx.update(grads, state)`` will use.

    Minus the product of all factors in the chain, so that
    ``chain(scale_by_adam(), scale_by_schedule(f), scale(-1))`` has one too; negative where
    the chain climbs.

    Args:
      tx: a transformation of ours, nested or wrapped.
      state: its state.
      params: the parameters or their shapes, which say what a mask selects. Without them masks
        that are functions are taken to be apart: no leaf is in two, some are in none.

    Returns:
      A scalar where all leaves have the same; else one for each group: for each label of a
      :func:`partition`, each mask, and ``others``.

    Raises:
      ValueError: no part of ``tx`` sets a step size, or the state is of another.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.adam(ro.step_decay(0.1, every_steps=30))
    >>> float(learning_rate(tx, tx.init(jnp.array(0.0))))
    0.10000000149011612
    >>> tx = ro.chain(ro.masked(ro.scale(0.5), ro.select("head")), ro.sgd(0.1))
    >>> params = {"body": jnp.ones(2), "head": jnp.ones(2)}
    >>> rates = learning_rate(tx, tx.init(params), params)
    >>> {group: round(float(rate), 3) for group, rate in rates.items()}
    {'masked': 0.05, 'others': 0.1}
    """
    part = as_transformation(tx)
    params = trees.fast(params) if takes_pairs(part.nature) else params
    if params is None:
        params = _selection(part)
    everything = list(walk(part, state, params))
    each = ((here, _factor(here)) for here in everything)
    scaling = [(here, factor) for here, factor in each if factor is not None]
    # A plateau only reduces a rate: of what, is for another part to say.
    if all(here.tx.role == "scaling" for here, _ in scaling):
        unknown = [here.tx for here in everything if here.tx.role == "unknown"]
        advice = (
            f"what {unknown[0].name} does is not known: use regopt_jax's own in its place."
            if unknown
            else "add scale_by_learning_rate."
        )
        raise ValueError(f"learning_rate: no part of {part!r} sets a step size; {advice}")
    choices = _choices(everything, [here.path for here, _ in scaling])
    rates: dict[tuple[str, ...], Any] = {}

    def in_order(chosen: frozenset[Path]) -> list[int]:
        """As the chain has them, what is in none of the groups last."""
        return [i for i, path in enumerate(choices) if path in chosen] or [len(choices)]

    for chosen in sorted(_alternatives(choices, params), key=in_order):
        own = [f for here, f in scaling if chosen.issuperset(choices.keys() & {*here.choices})]
        if own:
            labels = tuple(choices[path].chosen for path in choices if path in chosen)
            rates[labels] = -functools.reduce(operator.mul, own)
    return _by_group(rates)


def has_learning_rate(tx: GradientTransformation) -> bool:
    """Whether some part of ``tx`` sets a step size."""
    return any(
        isinstance(here.tx.nature, Rule) and here.tx.nature.factor and here.tx.role in SIZING
        for here in walk(tx)
    )


def _factor(here: Part) -> Array | None:
    """The signed number that a part multiplies by, where it is one."""
    nature = here.tx.nature
    if not isinstance(nature, Rule) or nature.factor is None:
        return None
    try:
        factor = nature.factor(here.state)
    except (AttributeError, TypeError) as error:
        raise another_state(here.tx, here.state) from error
    return None if factor is None else jnp.asarray(factor, float)


def _selection(tx: GradientTransformation) -> PyTree | None:
    """The trees by which all masks and labels select, where they are trees and agree."""
    natures = [here.tx.nature for here in walk(tx)]
    selecting = [n for n in natures if isinstance(n, Wrapper) and n.selects]
    given = [n.selection for n in selecting]
    if not given or any(tree is None for tree in given):
        return None
    structures: set[Any] = {jax.tree.structure(tree) for tree in given}
    return given[0] if len(structures) == 1 else None


# A choice is the path down to the part of a wrapper that a leaf is given to.


def _choices(parts: list[Part], scaling: list[Path]) -> dict[Path, Part]:
    """All choices, by path, of the wrappers that hold a factor."""
    holding = {path[:i] for path in scaling for i in range(len(path))}
    chosen = [here for here in parts if here.choices and here.choices[-1] == here.path]
    return {here.path: here for here in chosen if here.path[:-1] in holding}


def _alternatives(choices: dict[Path, Part], params: PyTree | None) -> list[frozenset[Path]]:
    """The sets of choices of the leaves.

    With parameters they are looked up. Without, each leaf is taken to be in one group of each
    wrapper of several parts, and in one mask at the most.
    """
    siblings: dict[Path, list[Path]] = {}
    for path in choices:
        siblings.setdefault(path[:-1], []).append(path)
    found = [frozenset[Path]()]
    if params is not None:
        found = _chosen_by_leaves(choices, params)
    for paths in siblings.values():
        if params is not None and choices[paths[0]].selected:
            continue
        masks = {path for path in choices if len(siblings[path[:-1]]) == 1}
        above = choices.keys() & {*choices[paths[0]].choices[:-1]}
        options = []
        for chosen in found:
            if not above <= chosen:
                options.append(chosen)
            elif paths[0] not in masks:
                options += [chosen | {path} for path in paths]
            else:
                apart = bool(chosen & (masks - above))
                options += [chosen] if apart else [chosen | {*paths}, chosen]
        found = options
    return found


def _chosen_by_leaves(choices: dict[Path, Part], params: PyTree) -> list[frozenset[Path]]:
    seen = {path: trees.key_paths(x.params) for path, x in choices.items() if x.selected}
    each = [
        frozenset(path for path, leaves in seen.items() if leaf in leaves)
        for leaf in trees.key_paths(params)
    ]
    return list(dict.fromkeys(each))


def _by_group(rates: dict[tuple[str, ...], Any]) -> Any:
    """One number where there is one group, else a value a group, groups within groups."""
    if len(rates) == 1:
        return next(iter(rates.values()))
    inside: dict[str, dict[tuple[str, ...], Any]] = {}
    for labels, rate in rates.items():
        first = labels[0] if labels else "others"
        inside.setdefault(first, {})[labels[1:]] = rate
    return {label: _by_group(group) for label, group in inside.items()}
