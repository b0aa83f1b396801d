"""The table of everything public, on the page, on the screen and against the code."""

import inspect
import pathlib

import jax.numpy as jnp
import optax
import pytest
from rich.cells import cell_len

import regopt_jax as ro
from regopt_jax import __main__
from regopt_jax.inspect import catalogue, ordinary
from tests.cases import CASES

PAGE = pathlib.Path(__file__).parent.parent.parent / "docs" / "catalogue.md"
ENTRIES = {entry.name: entry for entry in catalogue.catalogue()}


def test_the_page_is_up_to_date():
    """If not: ``python -m regopt_jax list --markdown > docs/catalogue.md``."""
    assert PAGE.read_text(encoding="utf-8") == catalogue.markdown()


REFUSED = {case.make.func for case in CASES if case.wrong}


@pytest.mark.parametrize(("name", "function"), list(catalogue.public()))
def test_every_docstring_is_complete(name, function):
    assert ">>> " in function.__doc__
    assert "Args:" in function.__doc__ or not inspect.signature(function).parameters
    assert "Raises:" in function.__doc__ or function not in REFUSED


@pytest.mark.parametrize("name", ENTRIES)
def test_every_entry_is_complete(name):
    """A new name that fails here takes an argument to add to ``inspect/ordinary.py``."""
    entry = ENTRIES[name]
    assert entry.equation
    assert "\\" not in entry.equation
    assert "`" not in entry.equation
    state = (entry.bytes_per_parameter, entry.elementwise, entry.metric)
    stateless = entry.kind in ("regularisers", "schedules")
    assert (state == (None, None, None)) if stateless else (None not in state)


def test_every_row_of_the_tests_is_in_it():
    from tests.cases import CASES

    public = {case.public_name for case in CASES if hasattr(ro, case.public_name)}
    assert public <= set(ENTRIES)


@pytest.mark.parametrize(
    ("name", "kind", "size", "elementwise", "metric", "peers"),
    [
        ("adam", "optimisers", 8, True, True, ("optax", "torch")),
        ("sgd", "optimisers", 0, True, True, ("optax", "torch")),
        ("rmsprop", "optimisers", 4, True, True, ("optax", "torch")),
        ("scale_by_stddev", "transformations", 8, True, True, ("optax",)),
        ("constant_norm", "regularisation", 0, False, True, ()),
        ("accumulate", "wrappers and combinations", 4, True, False, ()),
        ("masked", "wrappers and combinations", 0, True, True, ("optax",)),
        ("cosine_decay_schedule", "schedules", None, None, None, ("optax",)),
        ("one_cycle", "schedules", None, None, None, ()),
        ("l1", "regularisers", None, None, None, ()),
    ],
)
def test_entries(name, kind, size, elementwise, metric, peers):
    entry = ENTRIES[name]
    assert entry.kind == kind
    assert (entry.bytes_per_parameter, entry.elementwise, entry.metric) == (
        size,
        elementwise,
        metric,
    )
    assert entry.peers == peers


def test_bytes_are_those_of_a_real_state():
    state = ro.adam(1e-3).init({"w": jnp.zeros((ordinary.SIDE, ordinary.SIDE))})
    arrays = (state[0].mu["w"], state[0].nu["w"], state[0].count)
    measured = ordinary.bytes_per_parameter(ro.adam(1e-3))
    assert measured == sum(x.nbytes for x in arrays) / ordinary.SIDE**2


def test_what_takes_other_arguments_is_left_open():
    def strange(gadget: str) -> ro.GradientTransformation:
        raise TypeError(gadget)

    assert ordinary.build(strange) == (None, None)


def test_the_names_of_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch's own list is the oracle")
    theirs = {
        name
        for name, member in vars(torch.optim).items()
        if isinstance(member, type) and issubclass(member, torch.optim.Optimizer)
    }
    assert set(catalogue.TORCH) <= theirs
    assert theirs - set(catalogue.TORCH) <= {"Optimizer", "SparseAdam"}


def test_list_prints_what_has_the_word(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert __main__.main(["list", "scale_by_ad"]) == 0
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert max(map(cell_len, lines)) <= 100
    assert any(line.split()[:2] == ["scale_by_adam", "8"] for line in lines)
    assert "mₜ = β₁ mₜ₋₁ + (1-β₁) gₜ" in printed
    assert "sgd" not in printed


def test_every_schedule_and_regulariser_is_in_it():
    made = {
        name
        for name, member in vars(ro).items()
        if inspect.isfunction(member)
        and member.__module__.startswith("regopt_jax.")
        and inspect.signature(member).return_annotation in (ro.Schedule, ro.Regularizer)
    }
    listed = {e.name for e in ENTRIES.values() if e.kind in ("regularisers", "schedules")}
    assert len(made) > 30
    assert made == listed


@pytest.mark.parametrize(("word", "name"), [("cosine", "cosine_restarts"), ("l1", "l1")])
def test_list_finds_schedules_and_regularisers(capsys, word, name):
    assert __main__.main(["list", word]) == 0
    assert name in capsys.readouterr().out.split()


def test_list_is_wide_off_a_terminal(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert __main__.main(["list", "adam"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert 100 < max(map(cell_len, lines)) <= 160


def test_list_as_markdown(capsys):
    assert __main__.main(["list", "--markdown"]) == 0
    assert capsys.readouterr().out == catalogue.markdown()


@pytest.mark.parametrize(
    ("flags", "said"),
    [(["list", "nothing_is_called_so"], "no name contains"), (["list", "a", "--markdown"], "word")],
)
def test_list_refuses_in_one_line(capsys, flags, said):
    assert __main__.main(flags) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert said in captured.err


def test_a_name_is_listed_once():
    assert "multi_transform" not in ENTRIES
    assert ro.multi_transform is ro.partition
    assert not any(entry.name.endswith(("leafwise", "trainable")) for entry in ENTRIES.values())


def test_peers_are_read_from_optax():
    for entry in ENTRIES.values():
        if "optax" in entry.peers:
            assert hasattr(optax, entry.name.rpartition(".")[2])
