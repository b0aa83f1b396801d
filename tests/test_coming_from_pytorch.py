"""The page for users of PyTorch: its code runs, and its schedules are PyTorch's."""

import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "coming_from_pytorch.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
FIRST_WITH_TORCH = next(i for i, block in enumerate(BLOCKS) if "import torch\n" in block)


def run(blocks, names):
    with jax.numpy_rank_promotion("allow"):
        for block in blocks:
            exec(compile(block, PAGE.name, "exec"), names)
            step_of(names)


def step_of(names):
    """Each block's transformation takes a step."""
    if "tx" in names:
        tx, params = names["tx"], names["params"]
        updates, _ = tx.update(jax.tree.map(jnp.ones_like, params), tx.init(params), params)
        assert all(np.all(u < 0) for u in jax.tree.leaves(updates))


def test_the_code_without_pytorch_runs(capsys):
    names = {"batches": [(jnp.ones((2, 4)), jnp.ones((2, 3)))] * 3}
    run(BLOCKS[:FIRST_WITH_TORCH], names)
    rate, *table = capsys.readouterr().out.splitlines()
    assert float(rate) == pytest.approx(1e-3)
    assert "kernels: 1 leaf, 12 elements" in table
    assert names["metrics"]["loss"] >= 0
    assert len(BLOCKS) > FIRST_WITH_TORCH >= 7


def test_the_code_with_pytorch_runs(capsys):
    pytest.importorskip("torch", reason="the page's code uses it")
    names = {"batches": []}
    run([BLOCKS[0], *BLOCKS[FIRST_WITH_TORCH:]], names)
    rate = ro.cosine_decay_schedule(1e-3, decay_steps=100)(3)
    assert float(capsys.readouterr().out) == pytest.approx(float(rate))
    assert int(names["state"][1][0].count) == 3


LR, T = 0.4, 7
SCHEDULES = {
    "StepLR": ((3, 0.5), {}, lambda: ro.step_decay(LR, 3, 0.5)),
    "MultiStepLR": (
        ([2, 5], 0.5), {}, lambda: ro.piecewise_constant_schedule(LR, {2: 0.5, 5: 0.5}),
    ),
    "ExponentialLR": ((0.9,), {}, lambda: ro.exponential_decay(LR, 1, 0.9)),
    "LinearLR": ((0.1,), {"total_iters": T}, lambda: ro.linear_warmup(LR, T, init_value=0.1 * LR)),
    "PolynomialLR": ((T, 2.0), {}, lambda: ro.polynomial_schedule(LR, 0.0, 2.0, T)),
    "CosineAnnealingLR": ((15, 0.1), {}, lambda: ro.cosine_annealing(LR, 15, 0.1)),
    "CosineAnnealingWarmRestarts": (
        (T, 2, 0.1), {}, lambda: ro.cosine_restarts(LR, T, 2, alpha=0.1 / LR),
    ),
    "OneCycleLR": ((0.5, 20), {}, lambda: ro.one_cycle(0.5, 20)),
    "CyclicLR": ((0.1, 0.5, 4), {}, lambda: ro.cyclic(0.1, 0.5, 4)),
    "LambdaLR": ((lambda t: 1 / (1 + t),), {}, lambda: lambda t: LR * (1 / (1 + t))),
}  # fmt: skip


def rates(torch, make, steps=20):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR, momentum=0.9)
    scheduler = make(optimizer)
    seen = []
    for _ in range(steps):
        seen.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_schedules_of_the_table_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    arguments, keywords, ours = SCHEDULES[name]
    make = getattr(torch.optim.lr_scheduler, name)
    expected = rates(torch, lambda optimizer: make(optimizer, *arguments, **keywords))
    assert f"`{name}(" in PAGE.read_text()
    with jax.enable_x64(True):
        schedule = ours()
        actual = [float(schedule(t)) for t in range(20)]
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_sequential_schedules_join():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    kinds = torch.optim.lr_scheduler

    def make(optimizer):
        each = [kinds.LinearLR(optimizer, 0.1, total_iters=T), kinds.ExponentialLR(optimizer, 0.9)]
        return kinds.SequentialLR(optimizer, each, [T])

    expected = rates(torch, make)
    with jax.enable_x64(True):
        warm = ro.linear_warmup(LR, T, init_value=0.1 * LR)
        schedule = ro.join_schedules([warm, ro.exponential_decay(LR, 1, 0.9)], [T])
        actual = [float(schedule(t)) for t in range(20)]
    np.testing.assert_allclose(actual, expected, rtol=1e-12)
