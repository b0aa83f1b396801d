"""Optax's own tests pass with the second face in its place, all of them that pass under Optax."""

import pytest

from tests.optax import suite


@pytest.mark.slow
def test_of_optaxs_own_tests_those_fail_that_fail_under_optax():
    outcome = suite.run(without=suite.LONG)
    assert outcome.failed == suite.FAIL_UNDER_OPTAX
    assert len(outcome.passed) > 1000


def test_no_other_file_is_left_out():
    left = set(suite.files()) - set(suite.files(without=suite.LONG))
    assert left == set(suite.files(suite.LONG))
    assert len(left) == 2


@pytest.mark.parametrize("standing_in", [False, True], ids=["Optax", "ours"])
def test_it_is_the_face_that_stands_in(standing_in, tmp_path, monkeypatch):
    (tmp_path / "who_test.py").write_text(
        "import optax\n"
        "from optax._src import alias\n"
        "def test_who():\n"
        "    assert alias.adam is optax.adam\n"
        "    assert type(optax.adam(1.0)).__module__.startswith('optax')\n"
    )
    monkeypatch.setattr(suite, "WHEEL", tmp_path)
    outcome = suite.run(standing_in=standing_in)
    assert len(outcome.failed) == standing_in
    assert len(outcome.passed) == 1 - standing_in
