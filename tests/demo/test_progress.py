"""What a run shows while it trains."""

import io

import pytest
from rich.console import Console

from regopt_jax.demo.progress import Display

METRICS = {"aux": {"loss": 0.5, "accuracy": 0.75}, "learning_rate": 1e-3}


@pytest.fixture
def terminal():
    return Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)


def shown(console):
    return console.file.getvalue()


def test_a_bar_says_that_the_first_step_compiles(terminal):
    with Display(terminal, "adam", epochs=2, total_steps=10, done=0) as display:
        assert "compiling" in shown(terminal)
        before = len(shown(terminal))
        display.step(1, METRICS)
    assert "compiling" not in shown(terminal)[before:]
    assert "loss 0.500  acc  75.0%  lr 1.0e-03" in shown(terminal)[before:]


def test_nothing_compiles_in_a_finished_run(terminal):
    with Display(terminal, "adam", epochs=2, total_steps=10, done=10):
        pass
    assert "compiling" not in shown(terminal)


def test_off_a_terminal_there_is_no_bar():
    console = Console(file=io.StringIO())
    with Display(console, "adam", epochs=2, total_steps=10, done=0) as display:
        display.step(1, METRICS)
    assert shown(console) == ""
