"""Law 5: save with Orbax in the middle, restore, and the trajectory is bit-identical."""

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from tests.laws.rows import building_blocks
from tests.laws.runs import FLOAT32, ours, same_bits


@pytest.fixture(scope="module")
def checkpointer():
    with ocp.StandardCheckpointer() as checkpointer:
        yield checkpointer


# An older JAX's shapes do not say where the array is, and an older Orbax minds.
@pytest.mark.filterwarnings("ignore:Couldn't find sharding info")
@building_blocks
def test_a_restored_run_continues_bit_for_bit(case, checkpointer, tmp_path):
    run = ours(case, FLOAT32)
    # Orbax refuses arrays without elements; there is nothing in them to restore.
    saved = jax.tree.map(lambda x: x if x.size else None, run.middle)
    checkpointer.save(tmp_path / "checkpoint", saved)
    checkpointer.wait_until_finished()
    found = checkpointer.restore(tmp_path / "checkpoint", jax.eval_shape(lambda: saved))
    restored = jax.tree.map(lambda old, new: old if new is None else new, run.middle, found)
    same_bits(restored, run.middle)
    # Arrays that are committed to a device would compile the step again.
    end, steps = run.go(*jax.tree.map(np.asarray, restored), 1)
    same_bits(end, run.end)
    same_bits(steps, run.second)
