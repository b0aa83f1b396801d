"""The laws of one row run one after the other in one process, which compile it once."""

import pytest

from tests.cases import CASES

ORDER = {case: i for i, case in enumerate(CASES)}


def case_of(item):
    return getattr(item, "callspec", None) and item.callspec.params.get("case")


def pytest_collection_modifyitems(items):
    """Sort by row, and keep a row on one worker of ``pytest -n 2 --dist loadgroup``."""
    laws = [item for item in items if case_of(item) in ORDER]
    for item in laws:
        item.add_marker(pytest.mark.xdist_group(case_of(item).name))
    by_row = iter(sorted(laws, key=lambda item: ORDER[case_of(item)]))
    ours = set(laws)
    items[:] = [next(by_row) if item in ours else item for item in items]
