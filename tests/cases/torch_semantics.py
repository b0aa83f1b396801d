"""Rows of ``regopt_jax.interop.torch``."""

from functools import partial

import regopt_jax as ro
from regopt_jax.interop import torch as rt
from tests.cases.case import Allowance, Case
from tests.cases.common import OF_A_SIGN, cooling, descent, torch_optimizer
from tests.oracles import formulas, torch_formulas

WRONG = {"lr": -0.1, "weight_decay": -0.1}
WRONG_ADAM = {**WRONG, "betas": (0.9, 1.0), "eps": -1e-8}


def row(name, ours, theirs, **rest):
    """A row whose variant has the same arguments in PyTorch; a schedule is set at each step."""
    keywords = rest.pop("hyperparams", {})
    fixed = keywords | ({"lr": 1.0} if callable(keywords.get("lr")) else {})
    decays = keywords.get("weight_decay", 0) or theirs == "AdamW"
    defaults = {
        "torch": torch_optimizer(theirs, **fixed),
        "torch_learning_rate": keywords["lr"] if fixed != keywords else None,
        "needs_params": bool(decays),
        "complex": False,
    }
    return Case(name, partial(ours, **keywords), **defaults | rest)


TORCH = [
    row(
        "torch.sgd", rt.sgd, "SGD",
        hyperparams={"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
        wrong={**WRONG, "momentum": 1.5, "dampening": -0.1}, complex=True,
    ),
    row("torch.sgd-plain", rt.sgd, "SGD", complex=True, numerator=descent),
    row(
        "torch.sgd-nesterov-maximize", rt.sgd, "SGD", complex=True,
        allow=Allowance(stores_gradients=True),
        hyperparams={
            "lr": cooling, "momentum": 0.9, "nesterov": True, "maximize": True,
            "weight_decay": 0.1,
        },
    ),
    row(
        "torch.rmsprop", rt.rmsprop, "RMSprop", hyperparams={"lr": 0.01},
        wrong={**WRONG, "alpha": 1.5, "eps": -1e-8, "momentum": -0.5}, numerator=descent,
    ),
    row(
        "torch.rmsprop-schedule", rt.rmsprop, "RMSprop", allow=Allowance(stores_gradients=True),
        hyperparams={
            "lr": cooling, "alpha": 0.9, "eps": 1e-3, "momentum": 0.8, "centered": True,
            "weight_decay": 0.1, "maximize": True,
        },
    ),
    row(
        "torch.adam", rt.adam, "Adam",
        hyperparams={"lr": cooling, "betas": (0.8, 0.98), "eps": 1e-3, "weight_decay": 0.1},
        wrong=WRONG_ADAM,
    ),
    row(
        "torch.adam-amsgrad", rt.adam, "Adam",
        hyperparams={
            "lr": cooling, "betas": (0.8, 0.9), "eps": 1e-3, "amsgrad": True, "maximize": True,
        },
    ),
    row(
        "torch.adam-decoupled", rt.adam, "Adam",
        hyperparams={"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ),
    row("torch.adamw", rt.adamw, "AdamW", wrong=WRONG_ADAM),
    row(
        "torch.adamw-amsgrad", rt.adamw, "AdamW",
        hyperparams={
            "lr": cooling, "betas": (0.8, 0.9), "weight_decay": 0.1, "amsgrad": True,
            "maximize": True,
        },
    ),
    row(
        "torch.nadam", rt.nadam, "NAdam", hyperparams={"lr": 0.01},
        wrong={**WRONG_ADAM, "momentum_decay": -1.0},
    ),
    row(
        "torch.nadam-schedule", rt.nadam, "NAdam",
        hyperparams={
            "lr": cooling, "betas": (0.8, 0.98), "eps": 1e-3, "weight_decay": 0.1,
            "momentum_decay": 0.1, "decoupled_weight_decay": True, "maximize": True,
        },
    ),
    row(
        "torch.nadam-constant", rt.nadam, "NAdam",
        hyperparams={"lr": 0.01, "momentum_decay": 0.0, "weight_decay": 0.1},
    ),
    row("torch.radam", rt.radam, "RAdam", hyperparams={"lr": 0.01}, wrong=WRONG_ADAM),
    row(
        "torch.radam-schedule", rt.radam, "RAdam",
        hyperparams={
            "lr": cooling, "betas": (0.8, 0.9), "eps": 1e-2, "weight_decay": 0.1,
            "decoupled_weight_decay": True, "maximize": True,
        },
    ),
    row(
        "torch.radam-never", rt.radam, "RAdam", allow=Allowance(stores_gradients=True),
        hyperparams={"lr": 0.01, "betas": (0.9, 0.5), "weight_decay": 0.1},
    ),
    row(
        "torch.adamax", rt.adamax, "Adamax", hyperparams={"lr": 0.01, "eps": 1e-3},
        wrong=WRONG_ADAM,
    ),
    row(
        "torch.adamax-schedule", rt.adamax, "Adamax",
        hyperparams={
            "lr": cooling, "betas": (0.8, 0.9), "weight_decay": 0.1, "maximize": True,
        },
    ),
    row(
        "torch.adagrad", rt.adagrad, "Adagrad", hyperparams={"lr": 0.1},
        wrong={**WRONG, "lr_decay": -0.1, "eps": -1.0, "initial_accumulator_value": -0.1},
        numerator=descent,
    ),
    row(
        "torch.adagrad-schedule", rt.adagrad, "Adagrad", allow=Allowance(stores_gradients=True),
        hyperparams={
            "lr": cooling, "lr_decay": 0.1, "weight_decay": 0.1, "eps": 1e-2,
            "initial_accumulator_value": 0.5, "maximize": True,
        },
    ),
    row(
        "torch.adadelta", rt.adadelta, "Adadelta", hyperparams={"eps": 1e-3},
        wrong={**WRONG, "rho": 1.5, "eps": -1.0},
    ),
    row(
        "torch.adadelta-schedule", rt.adadelta, "Adadelta", allow=Allowance(stores_gradients=True),
        hyperparams={"lr": cooling, "rho": 0.8, "weight_decay": 0.1, "maximize": True},
    ),
    row(
        "torch.rprop", rt.rprop, "Rprop",
        wrong={"lr": -0.1, "etas": (0.5, 1.0), "step_sizes": (1.0, 0.5)}, real=True,
        unsteady=OF_A_SIGN,
    ),
    row(
        "torch.rprop-bounds", rt.rprop, "Rprop",
        hyperparams={
            "lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (0.05, 0.2), "maximize": True,
        },
        real=True, unsteady=OF_A_SIGN,
    ),
    row(
        "torch.asgd", rt.asgd, "ASGD", needs_params=True,
        wrong={**WRONG, "lambd": -1.0, "alpha": -0.5, "t0": -1.0},
    ),
    row(
        "torch.asgd-schedule", rt.asgd, "ASGD",
        hyperparams={
            "lr": cooling, "lambd": 0.1, "alpha": 0.5, "t0": 5, "weight_decay": 0.1,
            "maximize": True,
        },
    ),
    # PyTorch's divides by zero on the empty leaf: see tests/interop/test_torch.py.
    Case(
        "torch.adafactor", partial(rt.adafactor, lr=0.2),
        numpy=lambda: formulas.chain(
            torch_formulas.adafactor(0.2), formulas.learning_rate(0.2)
        ),
        wrong={**WRONG, "beta2_decay": 0.5, "eps": (-1.0, 1e-3), "d": 0.5},
        needs_params=True, complex=False, real=True, leaves_alike=False,
    ),
    Case(
        "masked-torch.muon",
        partial(ro.masked, rt.muon(cooling, ns_dtype=None), ro.select(ndim=2)),
        numpy=lambda: formulas.where(
            lambda w: w.ndim == 2,
            formulas.chain(
                torch_formulas.muon(), formulas.add_gradient_of(l2=0.1),
                formulas.learning_rate(cooling),
            ),
        ),
        needs_params=True, complex=False, leaves_alike=False,
    ),
]  # fmt: skip
