"""Law 5: save with Orbax in the middle, restore, and the trajectory is bit-identical."""

import jax
import orbax.checkpoint as ocp
import pytest

from tests.cases import PRINCIPAL
from tests.laws.runs import FLOAT32, ours, same_bits


@pytest.fixture(scope="module")
def checkpointer():
    with ocp.StandardCheckpointer() as checkpointer:
        yield checkpointer


@pytest.mark.parametrize("case", PRINCIPAL, ids=repr)
def test_a_restored_run_continues_bit_for_bit(case, checkpointer, tmp_path):
    run = ours(case, FLOAT32)
    # Orbax refuses arrays without elements; there is nothing in them to restore.
    saved = jax.tree.map(lambda x: x if x.size else None, run.middle)
    checkpointer.save(tmp_path / "checkpoint", saved)
    checkpointer.wait_until_finished()
    found = checkpointer.restore(tmp_path / "checkpoint", jax.eval_shape(lambda: saved))
    restored = jax.tree.map(lambda old, new: old if new is None else new, run.middle, found)
    same_bits(restored, run.middle)
    end, steps = run.go(*restored, 1)
    same_bits(end, run.end)
    same_bits(steps, run.second)
