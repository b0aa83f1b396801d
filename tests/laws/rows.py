"""Which rows a law covers; see CONTRIBUTING.md. Nothing is built before the law of a row runs."""

import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any

import pytest

import regopt_jax as ro
from regopt_jax.interop import torch as ro_torch
from tests.cases import CASES, PRINCIPAL, Case

CHAINS_TRIED = ("chain", "named_chain", "adamw", "recommended")
OF_PARTS = "a chain, which does what its parts do"


def only(kind: Callable[[Case], Any], otherwise: str) -> Callable[[Any], Any]:
    """Let a law skip the rows that are not of a kind, which may need the row built to tell."""

    def decorate(law):
        @functools.wraps(law)
        def checked(case, **rest):
            if not kind(case):
                pytest.skip(otherwise)
            return law(case, **rest)

        return checked

    return decorate


def is_chain(case: Case) -> bool:
    return isinstance(case.make().nature, ro.Chain)


@functools.cache
def is_building_block(case: Case) -> bool:
    """What a chain does is what its parts do in turn, so the dearest laws try few chains.

    Four, and those of which a part has no row of its own.
    """
    return case.public_name in CHAINS_TRIED or not is_of_rows(case.make())


def is_of_rows(tx: Any) -> bool:
    """A chain of what other rows are about."""
    return isinstance(tx.nature, ro.Chain) and all(
        part.made.function in NAMES or is_of_rows(part) for part in tx.parts
    )


NAMES = {case.make.func for case in CASES}


def has_metric(case: Case) -> bool:
    return case.ours().metric is not None


rows = pytest.mark.parametrize("case", CASES, ids=repr)
principal = pytest.mark.parametrize("case", PRINCIPAL, ids=repr)


def building_blocks(law):
    """The first row of each name that is a primitive or a wrapper, and a few chains."""
    return principal(only(is_building_block, OF_PARTS)(law))


def with_metric(law):
    return rows(only(has_metric, "has no metric")(law))


def is_one_of_a_kind(case: Case) -> bool:
    """A primitive, or the first wrapper of a kind: by its nature, and what is inside."""
    tx = case.make()
    return isinstance(tx.nature, ro.Rule) or _first_of_kind()[kind(tx)] is case


def kind(tx: Any) -> Any:
    """What a wrapper says of itself, but for what is inside; of a chain, that it is one."""
    if isinstance(tx.nature, ro.Chain):
        return "chain"
    fields = vars(tx.nature).items()
    said = tuple((name, callable(x) or x) for name, x in fields if name not in INSIDE)
    return said, len(tx.parts) > 1


INSIDE = ("parts", "names", "lens")


@functools.cache
def _first_of_kind() -> dict[Any, Case]:
    wrappers = [c for c in reversed(PRINCIPAL) if not isinstance(c.make().nature, ro.Rule)]
    return {kind(case.make()): case for case in wrappers}


def one_of_a_kind(law):
    """Primitives, a chain and one wrapper of each kind: for what only the core decides."""
    return principal(only(is_one_of_a_kind, "of a kind that another row is of")(law))


def makers() -> set[Any]:
    """The public functions that return a transformation."""
    return {
        f
        for module in (ro, ro_torch)
        for f in filter(inspect.isfunction, vars(module).values())
        if typing.get_type_hints(f).get("return") is ro.GradientTransformation
    } - {ro.leafwise, ro.wrap, ro.from_json}
