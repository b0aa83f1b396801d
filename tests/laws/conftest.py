"""The laws of one row run one after the other, so that the row is compiled once."""

from tests.cases import CASES

ORDER = {case: i for i, case in enumerate(CASES)}


def case_of(item):
    return getattr(item, "callspec", None) and item.callspec.params.get("case")


def pytest_collection_modifyitems(items):
    """Sort by row; ``tests/conftest.py`` keeps a row on one worker."""
    laws = [item for item in items if case_of(item) in ORDER]
    by_row = iter(sorted(laws, key=lambda item: ORDER[case_of(item)]))
    ours = set(laws)
    items[:] = [next(by_row) if item in ours else item for item in items]
