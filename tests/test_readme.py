"""The README's Python runs, block after block, as a reader would paste it."""

import pathlib
import re

import jax
import jax.numpy as jnp

README = pathlib.Path(__file__).parent.parent / "README.md"


def test_the_code_of_the_readme_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) >= 3
    images, labels = jnp.ones((8, 784)) / 784, jnp.arange(8)
    names = {
        "batches": [(images, labels)] * 3,
        "convex_loss": lambda w: jnp.sum((w["dense"]["kernel"] - 1.0) ** 2),
        "init": {"dense": {"kernel": jnp.zeros((3, 2))}},
    }
    with jax.numpy_rank_promotion("allow"):
        for block in blocks:
            exec(compile(block, "README.md", "exec"), names)
    loss, norm, rate = map(float, capsys.readouterr().out.split())
    assert 0 < loss < 3
    assert norm > 0
    assert 0 < rate < 1e-3
