"""``jax.distributed``: two processes, each with half of every batch, train as one."""

import pathlib
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

import regopt_jax as ro
from tests.laws.runs import close, ulps
from tests.training.network import CHAINS, PARAMS, halves, loss
from tests.training.one_of_two import RUNS, STEPS

ROOT = pathlib.Path(__file__).parents[2]
TIMEOUT = 120


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What both processes saved. When one fails or time is up, neither is left behind."""
    folder, port = tmp_path_factory.mktemp("two_processes"), free_port()
    logs = [folder / f"{process}.log" for process in range(2)]
    processes = []
    try:
        for process, log in enumerate(logs):
            command = [sys.executable, "-m", "tests.training.one_of_two"]
            arguments = [str(port), str(process), str(folder)]
            with log.open("w") as out:
                processes.append(
                    subprocess.Popen(
                        command + arguments, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT
                    )
                )
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline and not any(p.poll() for p in processes):
            if all(p.poll() == 0 for p in processes):
                break
            time.sleep(0.05)
        ended = [p.poll() for p in processes]
    finally:
        for p in processes:
            p.kill()
            p.wait()
    assert ended == [0, 0], "\n".join(log.read_text()[-3000:] for log in logs)
    return folder


def of_process(folder, name, process):
    with np.load(folder / f"{name}-{process}.npz") as saved:
        return [saved[key] for key in saved.files]


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_train_as_one(folder, name):
    chain, _, pack = RUNS[name]
    tx = CHAINS[chain]()
    step, state = ro.train_step(loss, tx, pack=pack), ro.TrainState.create(PARAMS, tx)
    for batch in halves(STEPS):
        state, metrics = step(state, *batch)
    alone = (state.unpack().params, metrics["loss"], metrics["grad_norm"])
    assert int(state.step) == STEPS
    close(of_process(folder, name, 0), jax.tree.leaves(alone), ulps(64))


@pytest.mark.parametrize("name", RUNS)
def test_both_processes_hold_the_same_bits(folder, name):
    first, second = of_process(folder, name, 0), of_process(folder, name, 1)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
