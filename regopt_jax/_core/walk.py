"""The walk: every part of a transformation, with its own state and what it sees of a tree.

Whatever the library reads off a chain, it reads in this walk: descriptions, hyperparameters,
learning rates, the leaves that packing may join. It goes from the whole to the parts, each
before its own parts and in the order in which they run.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax

from regopt_jax._core import derived
from regopt_jax._core.nature import Chain, Rule, Wrapper
from regopt_jax._core.protocol import GradientTransformation
from regopt_jax._core.trees import PyTree, is_abstract


class Part(NamedTuple):
    """A stop of the walk.

    Attributes:
      path: the names of the parts on the way to it; a name that occurs twice gets its position.
      label: the last of them, as its chain or wrapper calls it.
      tx: the part, with the hyperparameters in force where its state holds them.
      state: its own state; ``None`` where none was given.
      params: what it sees of the tree; ``None`` where none was given.
      choices: of the wrappers on the way whose parts see some of the leaves, or stand side by
        side: the path down to the part that was chosen.
      selected: whether the last of these chose by a mask or labels.
      chosen: what the part is told apart by: its label, of a single part its wrapper's.
    """

    path: tuple[str, ...]
    label: str
    tx: GradientTransformation
    state: Any
    params: PyTree
    choices: tuple[tuple[str, ...], ...]
    selected: bool
    chosen: str


def walk(tx: GradientTransformation, state: Any = None, params: PyTree = None) -> Iterator[Part]:
    """All parts of a transformation, itself first.

    Args:
      tx: the transformation.
      state: its state, before or after an update; abstract too.
      params: the parameters or their shapes.

    Raises:
      ValueError: the state is of another transformation.
    """
    yield from _walk(Part((), tx.name, tx, state, params, (), False, tx.name))


def _walk(here: Part) -> Iterator[Part]:
    yield here
    nature = here.tx.nature
    if isinstance(nature, Rule):
        return
    known = here.state is not None
    abstract = is_abstract(here.state)
    states = _states(here, abstract) if known else (None,) * len(nature.parts)
    parts = nature.parts
    if known and not abstract and isinstance(nature, Wrapper) and nature.parts_at is not None:
        parts = nature.parts_at(here.state)
    trees: Sequence[Any] = [None] * len(parts)
    if here.params is not None:
        trees = derived.seen(nature, here.params)
    repeated = Counter(nature.names)
    selects = isinstance(nature, Wrapper) and nature.selects
    chooses = selects or (isinstance(nature, Wrapper) and len(parts) > 1)
    for i, (name, part, own, tree) in enumerate(
        zip(nature.names, parts, states, trees, strict=True)
    ):
        path = (*here.path, name if repeated[name] == 1 else f"{name}.{i}")
        choices = (*here.choices, path) if chooses else here.choices
        selected = selects if chooses else here.selected
        chosen = path[-1] if len(parts) > 1 else (here.path or (here.label,))[-1]
        yield from _walk(Part(path, name, part, own, tree, choices, selected, chosen))


def _states(here: Part, abstract: bool) -> tuple[Any, ...]:
    nature = here.tx.nature
    assert isinstance(nature, Chain | Wrapper)
    try:
        if abstract and nature.lens.decodes:
            return (here.state,)  # whose size is what is asked for
        if abstract:
            # A lens that computes must not meet a shape where it expects an array.
            states: tuple[Any, ...] = jax.eval_shape(nature.lens.get, here.state)
            return states
        return nature.lens.get(here.state)
    except (AttributeError, TypeError, KeyError) as error:
        raise another_state(here.tx, here.state) from error


def another_state(tx: GradientTransformation, state: Any) -> ValueError:
    """The error for a state that is not of ``tx``."""
    return ValueError(
        f"{tx.name}: the state is a {type(state).__name__}, of another transformation. Pass the "
        "state that its own `init` or `update` returned."
    )
