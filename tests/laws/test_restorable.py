"""Law 5: save with Orbax in the middle, restore, and the trajectory is bit-identical."""

import jax
import orbax.checkpoint as ocp
import pytest

from tests.cases import CASES
from tests.laws.runs import FLOAT32, ours, same_bits


@pytest.fixture(scope="module")
def restored(tmp_path_factory):
    """Every row's parameters and state after ``HALF`` steps, by way of one checkpoint."""
    middles = {case.name: ours(case, FLOAT32).middle for case in CASES}
    # Orbax refuses arrays without elements; there is nothing in them to restore.
    saved = jax.tree.map(lambda x: x if x.size else None, middles)
    path = tmp_path_factory.mktemp("orbax") / "checkpoint"
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(path, saved)
        checkpointer.wait_until_finished()
        found = checkpointer.restore(path, jax.eval_shape(lambda: saved))
    return jax.tree.map(lambda old, new: old if new is None else new, middles, found)


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_a_restored_run_continues_bit_for_bit(case, restored):
    run = ours(case, FLOAT32)
    same_bits(restored[case.name], run.middle)
    end, steps = run.go(*restored[case.name], 1)
    same_bits(end, run.end)
    same_bits(steps, run.second)
