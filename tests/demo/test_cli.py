"""The command line from outside: what it prints, writes and refuses."""

import json
import subprocess
import sys

import numpy as np
import pytest

from regopt_jax import __main__
from regopt_jax.demo.errors import DemoError, one_line
from tests.demo.runs import command

QUICK = ("--epochs", "1", "--limit", "200")


def refused(capsys, *flags):
    """The one line on stderr with which the command line refuses ``flags``."""
    assert __main__.main(flags) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("regopt_jax: error: ")
    return captured.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("", "train,compare"),
        ("trian", "invalid choice"),
        ("train --lr 1", "unrecognized arguments: --lr"),
        ("train --epochs 0", "--epochs: '0' is not an integer of at least 1"),
        ("train --batch-size 1.5", "--batch-size"),
        ("train --learning-rate -1", "--learning-rate: '-1' is not a number above 0"),
        ("train --learning-rate nan", "--learning-rate"),
        ("train --warmup-fraction 1", "--warmup-fraction"),
        ("train --seed -1", "--seed"),
        ("train --optimizer adamm", "invalid choice: 'adamm'"),
        ("train --strength 0.1", "--strength needs a --regularizer"),
        ("train --regularizer l1 --l2-strength 1", "elastic-net"),
        ("train --data fashion-mnist", "needs --data-dir"),
        ("compare --data fashion-mnist --data-dir nowhere", "nowhere: no such folder"),
        ("train --checkpoint-every 5", "--checkpoint-every needs a --checkpoint-dir"),
        ("train --data-dir nowhere", "--data-dir is for IDX files"),
        ("train --regularizer nonnegative --strength 1", "--strength has no meaning"),
    ],
)
def test_wrong_flags_are_one_line(capsys, tmp_path, monkeypatch, flags, said):
    monkeypatch.chdir(tmp_path)
    assert said in refused(capsys, *flags.split())
    assert list(tmp_path.iterdir()) == []


def flags_of(command):
    """Every flag of a command that takes a value, by how its help shows it."""
    from regopt_jax.demo import cli

    (commands,) = (a for a in cli.parser()._actions if isinstance(a.choices, dict))
    actions = commands.choices[command]._actions
    return {a.option_strings[-1]: a for a in actions if a.option_strings and a.nargs is None}


VALUED = [(command, flag) for command in ("train", "compare") for flag in flags_of(command)]


@pytest.mark.parametrize(("command", "flag"), VALUED)
def test_two_dashes_are_no_value(capsys, command, flag):
    for given in ([f"{flag}=--"], [flag, "--"], [flag]):
        said = refused(capsys, command, *given)
        assert f"argument {flag}: expected one argument" in said
        assert f"regopt_jax {command} --help" in said


def test_two_dashes_elsewhere(capsys):
    assert "--foo=--" in refused(capsys, "train", "--foo=--")
    assert "ignored explicit argument '--'" in refused(capsys, "list", "--markdown=--")
    assert "no name contains '--markdown=--'" in refused(capsys, "list", "--", "--markdown=--")


@pytest.mark.parametrize(("command", "flag"), VALUED)
def test_an_empty_value_is_refused(capsys, tmp_path, monkeypatch, command, flag):
    monkeypatch.chdir(tmp_path)
    for given in ([f"{flag}="], [flag, ""]):
        assert f"argument {flag}: " in refused(capsys, command, *given)
    assert list(tmp_path.iterdir()) == []


# A value of each flag, and the flags without which it would change nothing.
IN_USE = {
    "--data": ("fashion-mnist", ()),
    "--data-dir": ("idx", ("--data", "fashion-mnist")),
    "--limit": ("7", ()),
    "--optimizer": ("adam", ()),
    "--learning-rate": ("0.5", ()),
    "--weight-decay": ("0.5", ("--optimizer", "adamw")),
    "--schedule": ("step", ("--optimizer", "adam")),
    "--warmup-fraction": ("0.5", ()),
    "--regularizer": ("l1", ()),
    "--strength": ("0.5", ("--regularizer", "l1")),
    "--l2-strength": ("0.5", ("--regularizer", "elastic-net")),
    "--select": ("**", ("--regularizer", "l1")),
    "--placement": ("coupled", ("--regularizer", "l1")),
    "--batch-size": ("7", ()),
    "--epochs": ("7", ()),
    "--seed": ("7", ()),
    "--out": ("elsewhere", ()),
    "--checkpoint-dir": ("saved", ()),
    "--checkpoint-every": ("7", ("--checkpoint-dir", "saved")),
}


def test_a_flag_that_would_be_ignored_is_refused(capsys, tmp_path, monkeypatch):
    from regopt_jax.demo import cli, recipe
    from regopt_jax.demo.settings import settings_of

    monkeypatch.chdir(tmp_path)
    assert set(IN_USE) == set(flags_of("train"))
    for flag, (value, companions) in IN_USE.items():
        used = cli.parser().parse_args(["train", *companions, flag, value])
        recipe.transformation(settings_of(used), 70)
        if companions:
            # The default optimiser has a decay, which is used there.
            instead = ("--optimizer", "sgd") if flag == "--weight-decay" else ()
            assert flag in refused(capsys, "train", *instead, flag, value)


IMPORTED = ("jax", "optax", "rich", "flax", "matplotlib", "orbax")


@pytest.mark.parametrize(
    ("number", "said"), [("SIGINT", (130, "interrupted")), ("SIGTERM", (143, "terminated"))]
)
@pytest.mark.parametrize("module", IMPORTED)
def test_a_signal_while_importing_is_one_line(run, tmp_path, module, number, said):
    # In the folder where Python looks first, and with it begins what takes seconds.
    kill = f"import os, signal\nos.kill(os.getpid(), signal.{number})\n"
    (tmp_path / f"{module}.py").write_text(kill)
    done = run("train", *QUICK)
    assert (done.returncode, done.stdout) == (said[0], "")
    assert done.stderr == f"regopt_jax: {said[1]}\n"


def test_a_signal_without_checkpoints(tmp_path):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command("train"), cwd=tmp_path, **pipes)
    assert "1437 training" in process.stdout.readline()
    process.terminate()
    assert process.communicate()[1] == "regopt_jax: terminated; this run has saved nothing\n"
    assert process.returncode == 143


def test_signals_are_left_to_other_programs(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/__init__.py").write_text("import regopt_jax")
    (tmp_path / "other/__main__.py").write_text(
        "import regopt_jax.__main__, signal\n"
        "print(signal.getsignal(signal.SIGTERM).name, signal.getsignal(signal.SIGINT).__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-m", "other", "-m", "regopt_jax"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "SIG_DFL default_int_handler\n"


def test_a_missing_extra_is_one_line(capsys, monkeypatch):
    monkeypatch.setattr(__main__, "NEEDED", ("a_package_that_is_not_there",))
    assert "pip install 'regopt-jax[demo]'" in refused(capsys, "train")


@pytest.mark.parametrize("command", ["train", "compare"])
def test_help(capsys, command):
    with pytest.raises(SystemExit) as exit_:
        __main__.main([command, "--help"])
    assert exit_.value.code == 0
    assert "default: digits" in capsys.readouterr().out


def test_the_library_does_not_import_the_extra(run):
    code = "import sys, regopt_jax, regopt_jax.__main__; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not {"flax", "matplotlib", "orbax", "rich", "sklearn"} & set(loaded.stdout.split())


def test_train_writes_what_it_says(run, tmp_path):
    done = run("train", *QUICK, "--regularizer", "l1", "--strength", "0.1", "--out", "out")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert sum("epoch 1/1" in line for line in lines) == 1
    for said in ("train accuracy", "test accuracy", "exactly zero", "norm of all", "seconds"):
        assert said in done.stdout
    assert max(map(len, lines)) <= 100
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    weights = np.load(tmp_path / "out/weights.npz")
    kernels = [weights[path] for path in weights.files if path.endswith("kernel")]
    assert {w.dtype for w in weights.values()} == {np.dtype(np.float32)}
    zeros = sum(np.sum(w == 0) for w in kernels) / sum(w.size for w in kernels)
    assert metrics["final"]["zero_share"] == zeros > 0
    np.testing.assert_allclose(
        metrics["final"]["weight_norm"], np.sqrt(sum(np.sum(w**2) for w in kernels)), rtol=1e-5
    )
    assert (tmp_path / "out/curves.png").read_bytes().startswith(b"\x89PNG")


def test_train_reads_idx_files_and_names_a_bad_one(here, idx_folder, tmp_path):
    flags = ("--data", "fashion-mnist", "--data-dir", str(idx_folder), "--batch-size", "8")
    done = here("train", *flags, "--epochs", "1", "--out", "out")
    assert (done.returncode, done.stderr) == (0, "")
    labels = idx_folder / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-1])
    done = here("train", *flags, "--out", "other")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert str(labels) in done.stderr
    assert not (tmp_path / "other").exists()


def test_compare_has_a_row_and_a_curve_for_each(here, tmp_path):
    done = here("compare", *QUICK, "--out", "out")
    assert (done.returncode, done.stderr) == (0, "")
    runs = json.loads((tmp_path / "out/metrics.json").read_text())
    labels = [one["label"] for one in runs]
    assert labels[:4] == ["sgd", "momentum", "rmsprop", "adam"]
    assert all(
        any(
            line.split("  ")[1] == name
            for line in done.stdout.splitlines()
            if line.startswith("  ")
        )
        for name in labels
    )
    assert (tmp_path / "out/comparison.png").read_bytes().startswith(b"\x89PNG")


def test_a_loss_that_is_not_finite_is_one_line(here):
    done = here("train", *QUICK, "--optimizer", "sgd", "--learning-rate", "1e9")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--learning-rate" in done.stderr


def test_one_line():
    assert one_line(DemoError("first\nsecond")) == "first"
    assert one_line(KeyError()) == "KeyError"
    assert len(one_line(ValueError("x" * 999))) == 160


@pytest.mark.slow
def test_digits_reach_97_percent(run, tmp_path):
    assert run("train", "--out", "out").returncode == 0
    final = json.loads((tmp_path / "out/metrics.json").read_text())["final"]
    assert final["test_accuracy"] >= 0.97
    assert final["seconds"] < 60
