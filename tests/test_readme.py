"""The README's Python runs, block after block, and the pages read on GitHub as they are."""

import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro

README = pathlib.Path(__file__).parent.parent / "README.md"


def test_the_code_of_the_readme_runs_and_prints_what_it_shows(capsys):
    text = README.read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 3
    images, labels = jnp.ones((8, 784)) / 784, jnp.arange(8)
    names = {"batches": [(images, labels)] * 3}
    with jax.numpy_rank_promotion("allow"):
        for block in blocks:
            exec(compile(block, "README.md", "exec"), names)
    *described, last = capsys.readouterr().out.splitlines()
    assert described
    assert "\n".join(["```text", *described, "```"]) in text
    loss, norm, rate = map(float, last.split())
    assert 0 < loss < 3
    assert norm > 0
    assert 0 < rate < 1e-3
    recommended = ro.recommended(10_000, peak=1e-3)
    assert primitives(names["tx"]) == primitives(recommended)


def primitives(tx):
    return {part.tx for part in ro.walk(tx) if not part.tx.parts}


OTHERS = ["docs/coming_from_optax.md", "docs/index.md", "regopt_jax/regularizers/README.md"]


@pytest.mark.parametrize("page", OTHERS)
def test_the_code_of_another_page_runs(page, capsys):
    """docs/devices.md and docs/coming_from_pytorch.md have tests of their own."""
    blocks = re.findall(r"```python\n(.*?)```", (README.parent / page).read_text(), re.DOTALL)
    assert blocks
    names = {}
    with jax.numpy_dtype_promotion("standard"):  # Optax's own relies on it
        for block in blocks:
            exec(compile(block, page, "exec"), names)
    for rate in names.get("rates", {}).items():
        assert rate in [("body", np.float32(1e-3)), ("head", np.float32(1e-2))]
    tx = names["tx"]
    params = {"kernel": jnp.ones((3, 2)), "part": {"kernel": jnp.ones(2)}}
    tx.update(params, tx.init(params), params)


PAGES = [README, README.parent / "CONTRIBUTING.md", *sorted((README.parent / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_reads_as_a_plain_file(page):
    text = re.sub(r"<!--.*?-->", "", page.read_text(), flags=re.DOTALL)
    assert "```{" not in text
    for link, heading in re.findall(r"\]\(([^)#:]+)(?:#([^)]*))?\)", text):
        linked = page.parent / link
        assert linked.exists(), link
        if heading:
            titles = re.findall(r"^#+ (.*)", linked.read_text(), re.MULTILINE)
            assert heading in {title.lower().replace(" ", "-") for title in titles}
    for row in re.findall(r"^\|.*\|$", text, re.MULTILINE):
        assert not any("|" in code.replace("\\|", "") for code in re.findall(r"`([^`]*)`", row))
