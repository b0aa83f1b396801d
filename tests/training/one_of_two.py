"""One of the two processes of test_distributed: python -m ... PORT PROCESS_ID FOLDER."""

import pathlib
import sys

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P

import regopt_jax as ro
from tests.training.network import CHAINS, PARAMS, halves, loss

RUNS = {
    "replicated": ("clipped adamw", (), False),
    "sharded": ("clipped adamw", ("data",), False),
    "packed": ("clipped adamw", (), True),
    "muon": ("muon", ("data",), False),
}
STEPS = 10


def main(port, process, folder):
    jax.config.update("jax_num_cpu_devices", 2)
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    jax.distributed.initialize(f"127.0.0.1:{port}", 2, process, initialization_timeout=60)
    assert (jax.process_count(), jax.local_device_count(), jax.device_count()) == (2, 2, 4)
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))

    def own_half(x):
        sharding = NamedSharding(mesh, P("data"))
        half = np.split(x, 2)[process]
        return jax.make_array_from_process_local_data(sharding, half)

    for name, (chain, spec, pack) in RUNS.items():
        tx = CHAINS[chain]()
        step = ro.train_step(loss, tx, pack=pack)
        params = jax.device_put(PARAMS, NamedSharding(mesh, P(*spec)))
        state = ro.TrainState.create(params, tx)
        for batch in halves(STEPS):
            before = jax.tree.map(lambda x: x.sharding, state.pack(tx) if pack else state)
            state, metrics = step(state, *map(own_half, batch))
            after = jax.tree.map(lambda x: x.sharding, state)
            assert jax.tree.leaves(before) == jax.tree.leaves(after)
        mine = {len(x.addressable_shards[0].data) for x in jax.tree.leaves(state.params)}
        assert mine == ({2, 4} if spec else {24, 256} if pack else {8, 16}), mine
        whole = multihost_utils.process_allgather(
            (state.unpack().params, metrics["loss"], metrics["grad_norm"]), tiled=True
        )
        np.savez(folder / f"{name}-{process}.npz", *jax.tree.leaves(whole))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3]))
