"""From flags to the settings of a run: defaults, and what would be ignored is refused."""

import argparse
from typing import Any

from regopt_jax.demo.data import SOURCES
from regopt_jax.demo.errors import DemoError
from regopt_jax.demo.recipe import OPTIMIZERS, PLACEMENTS, Settings


def settings_of(args: argparse.Namespace) -> Settings:
    """What the run depends on, with defaults that belong to the data set or the optimiser.

    Raises:
      DemoError: flags that need another, and would be ignored without it.
    """
    _refuse_what_would_be_ignored(args)
    source = SOURCES[args.data]
    name = getattr(args, "optimizer", "recommended")
    regularizer = getattr(args, "regularizer", "none")

    def given(flag: str, default: Any) -> Any:
        value = getattr(args, flag, None)
        return default if value is None else value

    return Settings(
        data=args.data,
        limit=args.limit,
        optimizer=name,
        learning_rate=given("learning_rate", OPTIMIZERS[name].learning_rate),
        weight_decay=getattr(args, "weight_decay", None),
        schedule=given("schedule", "cosine"),
        warmup_fraction=given("warmup_fraction", 0.05),
        regularizer=regularizer,
        strength=given("strength", 1e-3),
        l2_strength=given("l2_strength", 1e-3),
        select=given("select", "**/kernel"),
        placement=given("placement", PLACEMENTS[0]),
        batch_size=given("batch_size", source.batch_size),
        epochs=given("epochs", source.epochs),
        seed=args.seed,
    )


def _refuse_what_would_be_ignored(args: argparse.Namespace) -> None:
    regularizer = getattr(args, "regularizer", "none")
    none = regularizer == "none"
    optimizer = getattr(args, "optimizer", "recommended")
    belongs = (
        ("data_dir", args.data == "digits", "is for IDX files; digits are inside scikit-learn"),
        ("strength", none, "needs a --regularizer"),
        ("strength", regularizer == "nonnegative", "has no meaning for a constraint"),
        ("l2_strength", none, "needs a --regularizer"),
        ("l2_strength", regularizer != "elastic-net", "belongs to --regularizer elastic-net"),
        ("select", none, "needs a --regularizer"),
        ("placement", none, "needs a --regularizer"),
        ("checkpoint_every", not getattr(args, "checkpoint_dir", None), "needs a --checkpoint-dir"),
        (
            "weight_decay",
            OPTIMIZERS[optimizer].weight_decay is None,
            f"is nothing that {optimizer} has; use --regularizer l2 --placement decoupled",
        ),
        (
            "schedule",
            optimizer == "recommended" and getattr(args, "schedule", None) != "cosine",
            "is for others: recommended brings its own, warmup and cosine; use --optimizer adamw",
        ),
    )
    for name, ignored, why in belongs:
        if ignored and getattr(args, name, None) is not None:
            raise DemoError(f"--{name.replace('_', '-')} {why}.")
