"""The command line: flags, their ranges and their help."""

import argparse
import itertools
from collections.abc import Sequence
from typing import Any, NoReturn

from regopt_jax.demo.data import SOURCES
from regopt_jax.demo.errors import DemoError
from regopt_jax.demo.recipe import OPTIMIZERS, PLACEMENTS, REGULARIZERS, SCHEDULES
from regopt_jax.demo.values import folder, glob, number

PROG = "python -m regopt_jax"
EVERY = 100

DESCRIPTION = """\
Train a small convolutional network (two 3x3 convolutions, two dense layers; float32)
with the optimisers, schedules and regularisers of regopt_jax."""

EXAMPLES = f"""\
examples:
  {PROG} train
      digits with the recommended chain: clipping, AdamW, warmup and cosine
  {PROG} train --optimizer adam --regularizer l1 --strength 1e-3
      exact zeros: L1 by the proximal map in Adam's own metric
  {PROG} train --data fashion-mnist --data-dir /usr/share/datasets/fashion-mnist
      the four IDX files, as they are or gzipped
  {PROG} train --checkpoint-dir runs/safe
      kill it at any moment and start it again: it ends on the same bits
  {PROG} compare
      the lecture's optimisers side by side
  {PROG} list adam
      what there is whose name contains adam: equations, state, peers"""

EPILOG = "Errors are one line on stderr and exit status 2."


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        raise DemoError(f"{message} (see {self.prog} --help)")


class _Command(_Parser):
    """The parser of one command, in which ``--flag=--`` has no value; argparse takes it for []."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str], namespace: Any = None
    ) -> tuple[Any, list[str]]:
        for arg in itertools.takewhile(lambda arg: arg != "--", args):
            flag, _, value = arg.partition("=")
            action = self._option_string_actions.get(flag)
            if value == "--" and action and action.nargs is None:
                self.error(f"argument {flag}: expected one argument")
        return super().parse_known_args(args, namespace)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    common: dict[str, Any] = {"formatter_class": formatter, "allow_abbrev": False}
    top = _Parser(PROG, description=DESCRIPTION, epilog=f"{EXAMPLES}\n\n{EPILOG}", **common)
    commands = top.add_subparsers(
        dest="command", required=True, metavar="{train,compare,list}", parser_class=_Command
    )
    train = commands.add_parser(
        "train",
        help="train once: a table, metrics.json, curves.png, weights.npz",
        description=DESCRIPTION,
        epilog=f"{EXAMPLES}\n\n{EPILOG}",
        **common,
    )
    compare = commands.add_parser(
        "compare",
        help="train the lecture's optimisers side by side: one table, one figure",
        description="Train SGD, momentum, RMSProp, Adam, Adam with coupled L2 and AdamW from "
        "the same\nstart on the same batches, each with a learning rate that suits it.",
        epilog=EPILOG,
        **common,
    )
    listing = commands.add_parser(
        "list",
        help="every optimiser, transformation, regulariser and schedule, with its equation",
        description="Every public optimiser, transformation, wrapper, regulariser and schedule, "
        "made from the code:\nequation, bytes of state, elementwise or not, metric or not, where "
        "else it is.",
        epilog=EPILOG,
        **common,
    )
    listing.add_argument("word", nargs="?", default="", help="only names that contain it")
    listing.add_argument("--markdown", action="store_true", help="write it as Markdown")
    for command in (train, compare):
        _add_data(command)
    _add_optimizer(train)
    _add_regularizer(train)
    for command in (train, compare):
        _add_training(command)
        _add_output(command)
    _add_checkpoints(train)
    return top


def _add_data(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("data")
    group.add_argument(
        "--data",
        choices=list(SOURCES),
        default="digits",
        help="digits: 1797 images inside scikit-learn; fashion-mnist: IDX files (default: digits)",
    )
    group.add_argument(
        "--data-dir",
        type=folder,
        metavar="DIR",
        help="folder of train-images-idx3-ubyte[.gz] and its three companions",
    )
    group.add_argument(
        "--limit",
        type=number(int, 1),
        metavar="N",
        help="use only the first N training and N test images (default: all)",
    )


def _add_optimizer(command: argparse.ArgumentParser) -> None:
    rates = ", ".join(f"{name} {row.learning_rate:g}" for name, row in OPTIMIZERS.items())
    decays = ", ".join(
        f"{name} {row.weight_decay:g}" for name, row in OPTIMIZERS.items() if row.weight_decay
    )
    group = command.add_argument_group("optimiser and schedule")
    group.add_argument(
        "--optimizer",
        choices=list(OPTIMIZERS),
        default="recommended",
        metavar="NAME",
        help=f"{', '.join(OPTIMIZERS)}; recommended is clipping to norm 1, then AdamW "
        "(default: recommended)",
    )
    group.add_argument(
        "--learning-rate",
        type=number(float, 0, open_low=True),
        metavar="RATE",
        help=f"the peak after the warmup (default: {rates})",
    )
    group.add_argument(
        "--weight-decay",
        type=number(float, 0),
        metavar="DECAY",
        help=f"decoupled decay of kernels, of the optimisers that have it (default: {decays})",
    )
    group.add_argument(
        "--schedule",
        choices=list(SCHEDULES),
        metavar="NAME",
        help=f"after the warmup: {', '.join(SCHEDULES)}; restarts: three cosines, each twice "
        "as long; step: a tenth after each third (default: cosine)",
    )
    group.add_argument(
        "--warmup-fraction",
        type=number(float, 0, 1, open_high=True),
        metavar="SHARE",
        help="the share of all steps over which the rate rises from 0 (default: 0.05)",
    )


def _add_regularizer(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("regulariser")
    group.add_argument(
        "--regularizer",
        choices=["none", *REGULARIZERS],
        default="none",
        metavar="NAME",
        help=f"none, {', '.join(REGULARIZERS)}; l2 is strength/2 times the sum of squares; "
        "group-lasso removes whole output channels (default: none)",
    )
    group.add_argument(
        "--strength", type=number(float, 0), metavar="S", help="its strength (default: 1e-3)"
    )
    group.add_argument(
        "--l2-strength",
        type=number(float, 0),
        metavar="S",
        help="strength of elastic-net's second part (default: 1e-3)",
    )
    group.add_argument(
        "--select",
        type=glob,
        metavar="GLOB",
        help="the arrays it acts on, such as 'Dense_*/kernel' (default: **/kernel, so not biases)",
    )
    group.add_argument(
        "--placement",
        choices=PLACEMENTS,
        metavar="PLACE",
        help="proximal: the proximal map after the step, the one that gives exact zeros; penalty: "
        "in the loss; coupled: in the gradient (L2 in Adam); decoupled: beside the step (AdamW); "
        "independent: that, unscaled by the peak rate; cautious: that, where it agrees with the "
        "step (default: proximal)",
    )


def _add_training(command: argparse.ArgumentParser) -> None:
    batch = ", ".join(f"{name} {source.batch_size}" for name, source in SOURCES.items())
    epochs = ", ".join(f"{name} {source.epochs}" for name, source in SOURCES.items())
    group = command.add_argument_group("training")
    group.add_argument(
        "--batch-size",
        type=number(int, 1),
        metavar="N",
        help=f"images in a step (default: {batch})",
    )
    group.add_argument(
        "--epochs",
        type=number(int, 1),
        metavar="N",
        help=f"passes over the training set (default: {epochs})",
    )
    group.add_argument(
        "--seed",
        type=number(int, 0, 2**32 - 1),
        default=0,
        metavar="N",
        help="of the initial weights and the order of the images (default: 0)",
    )


def _add_output(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("output")
    group.add_argument(
        "--out", type=folder, metavar="DIR", help="folder of the results (default: runs/<name>)"
    )


def _add_checkpoints(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("checkpoints (Orbax)")
    group.add_argument(
        "--checkpoint-dir",
        type=folder,
        metavar="DIR",
        help="save here, and continue from what is here to bit-identical weights",
    )
    group.add_argument(
        "--checkpoint-every",
        type=number(int, 1),
        metavar="N",
        help=f"steps between checkpoints; one more after every epoch (default: {EVERY})",
    )
