"""The code of docs/devices.md runs, block after block."""

import pathlib
import re

import pytest

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "devices.md"


def test_the_code_of_the_page_runs(capsys):
    pytest.importorskip("flatbuffers", reason="jax.export serialises with flatbuffers")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names = {}
    for block in blocks:
        exec(compile(block, PAGE.name, "exec"), names)
    assert capsys.readouterr().out == "(10,)\n"
    assert int(names["state"].step) == 2
    assert float(names["metrics"]["loss"]) > 0
