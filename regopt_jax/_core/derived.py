"""What follows from the natures of a transformation's parts."""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax

from regopt_jax._core.nature import Chain, Metric, Nature, Rule, Wrapper
from regopt_jax._core.trees import PyTree, fast, is_abstract, ones, overlaid

if TYPE_CHECKING:
    from regopt_jax._core.protocol import GradientTransformation


def _some(nature: Nature, test: Callable[[Wrapper], bool]) -> bool:
    """Whether a nature, or that of a part in any depth, is a wrapper that passes a test."""
    if isinstance(nature, Rule):
        return False
    own = isinstance(nature, Wrapper) and test(nature)
    return own or any(_some(part.nature, test) for part in nature.parts)


def holds_back(nature: Nature) -> bool:
    """Whether it, or a part of it, may hold a step back."""
    return _some(nature, lambda wrapper: wrapper.holds)


def takes_pairs(nature: Nature) -> bool:
    """Whether its parameters are ``optax.LookaheadParams``."""
    return _some(nature, lambda wrapper: wrapper.pairs)


def metric(tx: "GradientTransformation") -> Metric | None:
    """The diagonal that its update divides by; ``None`` where a part has none."""
    nature = tx.nature
    if isinstance(nature, Rule):
        return nature.metric
    if any(part.metric is None for part in nature.parts):
        return None
    if isinstance(nature, Wrapper):
        return None if nature.metric is None else functools.partial(nature.metric, nature.parts)

    def product(state: Any, params: PyTree) -> PyTree:
        each = part_metrics(nature, nature.parts, state, params)
        if not each:
            return ones(params)
        with jax.numpy_dtype_promotion("standard"):
            return jax.tree.map(lambda *ds: functools.reduce(operator.mul, ds), *each)

    return product


def part_metrics(
    nature: Chain | Wrapper, parts: Sequence["GradientTransformation"], state: Any, params: PyTree
) -> list[PyTree]:
    """The metrics of the parts, each on what it sees of the parameters."""
    metrics = [part.metric for part in parts]
    inside = zip(metrics, nature.lens.get(state), seen(nature, params), strict=True)
    return [of(own, tree) for of, own, tree in inside if of is not None]


def seen(nature: Chain | Wrapper, tree: PyTree) -> Sequence[PyTree]:
    """What each part gets of a tree: of parameters, or of their shapes."""
    if isinstance(nature, Chain):
        pairs = [takes_pairs(part.nature) for part in nature.parts]
        first = pairs.index(True) if any(pairs) else 0
        fast_only = fast(tree) if first else tree
        return [fast_only if i < first else tree for i in range(len(pairs))]
    if nature.sees is None:
        return [tree] * len(nature.parts)
    # A mask only looks at shapes; what computes is traced on them.
    if is_abstract(tree) and not nature.selects:
        traced: Sequence[PyTree] = jax.eval_shape(nature.sees, tree)
        return traced
    return nature.sees(tree)


def inner_metric(lens: Any, sees: Any, selects: bool) -> Callable[..., PyTree]:
    """The metric of a wrapper that divides by what its parts do, and by 1 where none acts."""

    def of(parts: Sequence["GradientTransformation"], state: Any, params: PyTree) -> PyTree:
        nature = Wrapper(tuple(parts), (), lens, sees)
        each = part_metrics(nature, parts, state, params)
        return overlaid(ones(params), *each) if selects else each[0]

    return of
