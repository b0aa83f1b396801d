"""Rows of what Optax keeps in ``optax.contrib``."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import optax
from optax import contrib

import regopt_jax as ro
from tests.cases.case import Allowance, Case
from tests.cases.common import L2, WRONG_RATE, both, cooling, warming
from tests.oracles import contrib as formulas_of, formulas


def matrices(tree):
    """Optax divides by the number of rows, so leaves without elements are left to Adam."""
    return jax.tree.map(
        lambda x: contrib.MuonDimensionNumbers() if x.ndim == 2 and x.size else None, tree
    )


def matrices_and_kernels(tree):
    """A convolution's kernel maps its first three axes to the last; or one axis is a batch."""

    def one(x):
        if not x.size or x.ndim < 2:
            return None
        return contrib.MuonDimensionNumbers((0, 1, 2), -1) if x.ndim == 4 else matrices(x)

    return jax.tree.map(one, tree)


def batches(tree):
    def one(x):
        given = ([2], [0, 3]) if x.ndim == 4 else ()
        return contrib.MuonDimensionNumbers(*given)

    return jax.tree.map(one, tree)


def has_axes(tree):
    return jax.tree.map(lambda x: x.ndim >= 2, tree)


def rank_2(w):
    return w.ndim == 2


def other(w):
    return w.ndim != 2


def fading(t):
    return 0.9 + 0.09 * cooling(t)


def slope(params, i):
    """The gradient of a quadratic, another one at each step of the climb."""
    return jax.tree.map(lambda w: (0.5 + i) * w, params)


def climber(of, rate=0.0625, momentum=None):
    contributed = of if of is ro else of.contrib
    return of.chain(contributed.normalize(), of.sgd(rate, momentum))


MUON_WRONG = {
    "ns_coeffs": "cubic", "ns_steps": 0, "beta": 1.0, "eps": -1e-8, "preconditioning": "none",
    "weight_decay": -0.1, "consistent_rms": -0.2, "adam_b1": 1.0, "adam_b2": 1.5,
    "adam_eps_root": -1.0, "adam_weight_decay": -0.1, "adam_learning_rate": -0.1,
}  # fmt: skip

# Newton-Schulz multiplies the rounding of what is small in a matrix by up to 3.4445 a step, 485
# in five: so far may two programs be apart that round alike (under jax 0.12 Optax's is 123 ulp
# from float64's, ours 10).
NS = Allowance(ulps=485, bfloat16_ulps=64)

MUON = [
    both(
        "muon", ro.muon, contrib.muon,
        hyperparams={
            "learning_rate": 0.02, "weight_decay": L2, "muon_weight_dimension_numbers": matrices,
        },
        needs_params=True, leaves_alike=False, allow=NS, wrong=WRONG_RATE | MUON_WRONG,
    ),
    Case(
        "muon-default", partial(ro.muon, learning_rate=cooling),
        numpy=lambda: formulas.chain(
            formulas.where(rank_2, formulas_of.muon()),
            formulas.where(other, formulas.adam(nesterov=True)),
            formulas.learning_rate(cooling),
        ),
        needs_params=True, leaves_alike=False, allow=NS, complex=False,
    ),
    both(
        "muon-aol-kernels", ro.muon, contrib.muon,
        hyperparams={
            "learning_rate": cooling, "ns_coeffs": "dion", "preconditioning": "aol",
            "muon_weight_dimension_numbers": matrices_and_kernels, "consistent_rms": 0.2,
            "adam_learning_rate": 0.01, "adam_weight_decay": 0.1,
        },
        needs_params=True, leaves_alike=False, allow=NS,
    ),
    both(
        "muon-schatten-adaptive", ro.muon, contrib.muon,
        hyperparams={
            "learning_rate": 0.02, "preconditioning": "schatten", "nesterov": False,
            "adaptive": True, "muon_weight_dimension_numbers": matrices,
        },
        needs_params=True, leaves_alike=False, allow=NS,
    ),
    both(
        "muon-spectral", ro.muon, contrib.muon,
        hyperparams={
            "learning_rate": 0.02, "preconditioning": "spectral", "beta": 0.9,
            "muon_weight_dimension_numbers": matrices,
        },
        needs_params=True, leaves_alike=False, allow=NS,
    ),
    Case(
        "masked-scale_by_muon",
        partial(ro.masked, ro.scale_by_muon(weight_dimension_numbers=batches), has_axes),
        lambda: optax.masked(contrib.scale_by_muon(weight_dimension_numbers=batches), has_axes),
        leaves_alike=False, allow=NS,
    ),
]  # fmt: skip

# Optax finds x from y and back from x in each step, with as many roundings.
DIFFERENCES = {"differences": True, "ulps": 16, "keeps_params": True}
KEEPS_PARAMS = Allowance(keeps_params=True)

SCHEDULE_FREE = [
    # β₁ has few digits: Optax rounds it to the narrowest dtype of the parameters.
    Case(
        "schedule_free", partial(ro.schedule_free, ro.sgd(0.1), learning_rate=0.1, b1=0.875),
        lambda: contrib.schedule_free(optax.sgd(0.1), 0.1, b1=0.875),
        numpy=lambda: formulas_of.schedule_free(formulas.learning_rate(0.1), 0.1, 0.875),
        needs_params=True, across=True, allow=Allowance(**DIFFERENCES),
        wrong={**WRONG_RATE, "b1": 0.0, "weight_lr_power": -1.0},
    ),
    Case(
        "schedule_free-schedule",
        partial(
            ro.schedule_free, ro.sgd(cooling), learning_rate=cooling, b1=0.9,
            weight_lr_power=1.0,
        ),
        numpy=lambda: formulas_of.schedule_free(
            formulas.learning_rate(cooling), cooling, 0.9, 1.0
        ),
        allow=KEEPS_PARAMS, needs_params=True,
    ),
    both(
        "schedule_free_sgd", ro.schedule_free_sgd, contrib.schedule_free_sgd,
        hyperparams={"learning_rate": 0.1, "b1": 0.875, "weight_decay": L2},
        needs_params=True, across=True, allow=Allowance(**DIFFERENCES),
        wrong={**WRONG_RATE, "b1": 0.0, "weight_decay": -0.1, "warmup_steps": -1},
    ),
    Case(
        "schedule_free_sgd-warmup",
        partial(ro.schedule_free_sgd, learning_rate=0.1, warmup_steps=5),
        numpy=lambda: formulas_of.schedule_free(
            formulas.learning_rate(formulas_of.linear_warmup(0.1, 5)),
            formulas_of.linear_warmup(0.1, 5), 0.9,
        ),
        allow=KEEPS_PARAMS, needs_params=True,
    ),
    both(
        "schedule_free_adamw", ro.schedule_free_adamw, contrib.schedule_free_adamw,
        hyperparams={"learning_rate": 0.01, "b1": 0.875, "weight_decay": L2},
        needs_params=True, across=True,
        allow=Allowance(stores_gradients=True, **DIFFERENCES),
        wrong={**WRONG_RATE, "b1": 0.0, "b2": 1.5, "eps": -1.0, "weight_decay": -0.1},
    ),
    Case(
        "schedule_free_adamw-warmup",
        partial(ro.schedule_free_adamw, learning_rate=0.01, warmup_steps=5, weight_decay=L2),
        numpy=lambda: formulas_of.schedule_free(
            formulas.chain(
                formulas.rms(0.999, bias_correction=True), formulas.add_gradient_of(l2=L2),
                formulas.learning_rate(formulas_of.linear_warmup(0.01, 5)),
            ),
            formulas_of.linear_warmup(0.01, 5), 0.9,
        ),
        needs_params=True, allow=Allowance(stores_gradients=True, keeps_params=True),
    ),
    both(
        "schedule_free_adamw-state_dtype", ro.schedule_free_adamw, contrib.schedule_free_adamw,
        hyperparams={"learning_rate": 0.01, "state_dtype": jnp.float32},
        needs_params=True, complex=False,
        allow=Allowance(optax_dtype=jnp.float32, stores_gradients=True, **DIFFERENCES),
    ),
]  # fmt: skip

SAM = [
    both(
        "normalize", ro.normalize, contrib.normalize, across=True,
        numpy=formulas_of.normalize,
    ),
    Case(
        "sam", partial(ro.sam, ro.sgd(0.1, 0.9), climber(ro)),
        lambda: contrib.sam(optax.sgd(0.1, 0.9), climber(optax)),
        allow=KEEPS_PARAMS, needs_params=True, across=True, wrong={"sync_period": 0},
    ),
    Case(
        "sam-three-steps",
        partial(
            ro.sam, ro.adamw(0.01), climber(ro, momentum=0.5), sync_period=3, reset_state=False
        ),
        lambda: contrib.sam(
            optax.adamw(0.01), climber(optax, momentum=0.5), sync_period=3, reset_state=False
        ),
        needs_params=True, across=True,
        allow=Allowance(copies=2, keeps_params=True),
    ),
    # Optax steps from where the step before began.
    Case(
        "sam-no-climb", partial(ro.sam, ro.sgd(cooling, 0.9), climber(ro), sync_period=1),
        numpy=lambda: formulas.chain(formulas.trace(0.9), formulas.learning_rate(cooling)),
        allow=KEEPS_PARAMS, needs_params=True,
    ),
    Case(
        "sam-opaque",
        partial(ro.sam, ro.sgd(0.1, 0.9), climber(ro), sync_period=3, opaque_mode=True),
        lambda: contrib.sam(optax.sgd(0.1, 0.9), climber(optax), sync_period=3, opaque_mode=True),
        extra_args={"grad_fn": slope}, needs_params=True, across=True,
        allow=Allowance(copies=2, keeps_params=True),
    ),
    Case(
        "split_real_and_imaginary", partial(ro.split_real_and_imaginary, ro.adam(0.01)),
        lambda: contrib.split_real_and_imaginary(optax.adam(0.01)),
    ),
]  # fmt: skip

ADEMAMIX_WRONG = {
    "b1": 1.0, "b2": -0.1, "b3": 1.5, "alpha": -1.0, "eps": -1e-8, "eps_root": -1.0,
}  # fmt: skip
SIMPLIFIED_WRONG = {"b1": 1.0, "b2": 1.5, "alpha": -1.0, "eps": -1e-8, "eps_root": -1.0}
ACPROP_WRONG = {"b1": 1.0, "b2": -0.1, "eps": -1.0, "eps_root": float("nan")}
ADOPT_WRONG = {"b1": 1.0, "b2": -0.1, "eps": 0.0}
MADGRAD_WRONG = {**WRONG_RATE, "momentum": 1.0, "eps": -1.0}


# Optax's root of the step is float32 even under x64.
MADGRAD = Allowance(optax_dtype=jnp.float32, differences=True, keeps_params=True)


def mixed_mean(g, state, t):
    def one(m, s):
        return (m / (1 - 0.9**t) + 6.0 * s) / (1 + 6.0 * (1 - 0.99**t))

    return jax.tree.map(one, state.m1, state.m2)


def trace_and_gradient(g, state, t):
    def one(g, m):
        return (m + 3.0 * g) / ((1 - 0.99**t) / (1 - 0.99) + 3.0)

    return jax.tree.map(one, g, state.m)


MOMENTS = [
    both(
        "scale_by_ademamix", ro.scale_by_ademamix, contrib.scale_by_ademamix,
        hyperparams={"b3": 0.99}, wrong=ADEMAMIX_WRONG, numerator=mixed_mean,
    ),
    both(
        "ademamix", ro.ademamix, contrib.ademamix,
        hyperparams={
            "learning_rate": 0.01, "b3": fading, "alpha": warming, "weight_decay": L2,
            "eps_root": 1e-3,
        },
        needs_params=True, wrong={**WRONG_RATE, **ADEMAMIX_WRONG, "weight_decay": -0.1},
    ),
    # Optax squares complex gradients as they are.
    both(
        "scale_by_simplified_ademamix", ro.scale_by_simplified_ademamix,
        contrib.scale_by_simplified_ademamix, hyperparams={"alpha": 3.0}, complex=False,
        wrong=SIMPLIFIED_WRONG, numerator=trace_and_gradient,
    ),
    Case(
        "scale_by_simplified_ademamix-schedule",
        partial(ro.scale_by_simplified_ademamix, b1=0.9, alpha=warming, eps_root=1e-3),
        numpy=lambda: formulas_of.simplified_ademamix(0.9, 0.95, warming, eps_root=1e-3),
    ),
    both(
        "simplified_ademamix", ro.simplified_ademamix, contrib.simplified_ademamix,
        hyperparams={"learning_rate": cooling, "alpha": warming, "weight_decay": L2},
        needs_params=True, complex=False,
        wrong={**WRONG_RATE, **SIMPLIFIED_WRONG, "weight_decay": -0.1},
    ),
    both(
        "scale_by_acprop", ro.scale_by_acprop, contrib.scale_by_acprop,
        numpy=formulas_of.acprop, wrong=ACPROP_WRONG, allow=Allowance(inverts=True),
    ),
    both(
        "acprop", ro.acprop, contrib.acprop,
        hyperparams={
            "learning_rate": 0.01, "b2": 0.9, "eps_root": 1e-3, "weight_decay": L2,
            "mask": ro.select(min_ndim=2),
        },
        needs_params=True, leaves_alike=False, allow=Allowance(inverts=True),
        wrong={**WRONG_RATE, **ACPROP_WRONG, "weight_decay": -0.1},
    ),
    both(
        "scale_by_adopt", ro.scale_by_adopt, contrib.scale_by_adopt,
        hyperparams={"b2": 0.99}, complex=False, real=True, wrong=ADOPT_WRONG,
    ),
    both(
        "scale_by_adopt-nesterov", ro.scale_by_adopt, contrib.scale_by_adopt,
        hyperparams={"nesterov": True, "clip_value_fn": warming}, complex=False, real=True,
        allow=Allowance(stores_gradients=True),
    ),
    both(
        "adopt", ro.adopt, contrib.adopt, hyperparams={"learning_rate": 0.01},
        complex=False, real=True, wrong={**WRONG_RATE, **ADOPT_WRONG},
    ),
    both(
        "adopt-unclipped", ro.adopt, contrib.adopt,
        hyperparams={"learning_rate": 0.01, "use_clipping": False, "eps": 1e-2},
    ),
    both(
        "scale_by_madgrad", ro.scale_by_madgrad, contrib.scale_by_madgrad,
        hyperparams={"learning_rate": cooling, "momentum": 0.75},
        numpy=lambda: formulas_of.madgrad(cooling, 0.75),
        complex=False, needs_params=True, wrong=MADGRAD_WRONG, allow=MADGRAD,
    ),
    both(
        "madgrad", ro.madgrad, contrib.madgrad,
        hyperparams={"learning_rate": 0.01, "weight_decay": L2},
        numpy=lambda: formulas.chain(
            formulas.add_gradient_of(l2=L2), formulas_of.madgrad(0.01)
        ),
        complex=False, needs_params=True, wrong={**MADGRAD_WRONG, "weight_decay": -0.1},
        allow=MADGRAD,
    ),
]  # fmt: skip

PRODIGY_WRONG = {
    "betas": (1.0, 0.9), "beta3": 1.5, "eps": -1.0, "estim_lr0": 0.0, "estim_lr_coef": 0.0,
    "weight_decay": -0.1,
}  # fmt: skip

# The products that Prodigy sums cancel, and so do those that it starts from.
CANCELS = Allowance(ulps=256, keeps_params=True)
# A number of the whole tree is of the quotient that the step needs after it.
CANCELS_TWICE = dataclasses.replace(CANCELS, copies=1)

MOMO_WRONG = {**WRONG_RATE, "lower_bound": float("inf"), "weight_decay": -0.1}

# The weights are where the bet puts them, and an update the difference to where they were.
BETS = Allowance(differences=True, keeps_params=True, copies=1)

# The first distances have few digits: Optax rounds them to the narrowest dtype.
STEP_SIZE_FREE = [
    both(
        "momo", ro.momo, contrib.momo, extra_args={"value": 2.0}, needs_params=True,
        complex=False, across=True, allow=CANCELS, wrong=MOMO_WRONG | {"beta": 1.0},
    ),
    both(
        "momo-adapt", ro.momo, contrib.momo, extra_args={"value": 20.0},
        hyperparams={
            "learning_rate": cooling, "weight_decay": L2, "lower_bound": -4.0,
            "adapt_lower_bound": True,
        },
        needs_params=True, complex=False, across=True, allow=CANCELS,
    ),
    both(
        "momo_adam", ro.momo_adam, contrib.momo_adam, extra_args={"value": 2.0},
        needs_params=True, complex=False, across=True, allow=CANCELS_TWICE,
        wrong={**MOMO_WRONG, "b1": 1.0, "b2": -0.1, "eps": -1.0},
    ),
    both(
        "momo_adam-adapt", ro.momo_adam, contrib.momo_adam, extra_args={"value": 20.0},
        hyperparams={
            "learning_rate": cooling, "eps": 1e-3, "weight_decay": L2, "lower_bound": -4.0,
            "adapt_lower_bound": True,
        },
        needs_params=True, complex=False, across=True, allow=CANCELS_TWICE,
    ),
    both(
        "prodigy", ro.prodigy, contrib.prodigy,
        hyperparams={"estim_lr0": 2.0**-10, "weight_decay": L2},
        needs_params=True, complex=False, across=True, allow=CANCELS,
        wrong={**WRONG_RATE, **PRODIGY_WRONG},
    ),
    both(
        "prodigy-safeguard", ro.prodigy, contrib.prodigy,
        hyperparams={
            "learning_rate": cooling, "estim_lr0": 2.0**-10, "estim_lr_coef": 2.0,
            "beta3": 0.9, "safeguard_warmup": True,
        },
        needs_params=True, complex=False, across=True, allow=CANCELS,
    ),
    both(
        "dadapt_adamw", ro.dadapt_adamw, contrib.dadapt_adamw,
        hyperparams={"estim_lr0": 2.0**-10, "weight_decay": L2},
        needs_params=True, complex=False, across=True, allow=CANCELS_TWICE,
        wrong={
            **WRONG_RATE, "betas": (1.0, 0.9), "eps": -1.0, "estim_lr0": 0.0,
            "weight_decay": -0.1,
        },
    ),
    both(
        "dadapt_adamw-schedule", ro.dadapt_adamw, contrib.dadapt_adamw,
        hyperparams={
            "learning_rate": cooling, "betas": (0.5, 0.9), "eps": 1e-3, "estim_lr0": 2.0**-4,
        },
        needs_params=True, complex=False, across=True, allow=CANCELS_TWICE,
    ),
    both(
        "dog", ro.dog, contrib.dog, hyperparams={"init_step": ("distance", 2.0**-6)},
        allow=KEEPS_PARAMS, needs_params=True, across=True,
        wrong={
            **WRONG_RATE, "init_step": ("guess", 1.0), "eps": -1.0, "weight_decay": -0.1,
        },
    ),
    Case(
        "dog-heuristic", partial(ro.dog),
        numpy=lambda: formulas_of.dog(lambda norm: 1e-6 * (1 + norm)),
        allow=KEEPS_PARAMS, needs_params=True, across=True,
    ),
    both(
        "dog-learning_rate", ro.dog, contrib.dog,
        hyperparams={
            "learning_rate": cooling, "init_step": ("learning_rate", 0.01),
            "weight_decay": L2, "mask": ro.select(min_ndim=2),
        },
        needs_params=True, across=True, leaves_alike=False,
        allow=Allowance(stores_gradients=True, keeps_params=True),
    ),
    both(
        "scale_by_cocob", ro.scale_by_cocob, contrib.scale_by_cocob, hyperparams={"alpha": 8.0},
        numpy=lambda: formulas_of.cocob(8.0), needs_params=True, complex=False, real=True,
        allow=BETS, wrong={"alpha": 0.0, "eps": -1.0},
    ),
    both(
        "cocob", ro.cocob, contrib.cocob,
        hyperparams={"learning_rate": cooling, "weight_decay": L2},
        needs_params=True, complex=False, real=True, allow=BETS,
        wrong={**WRONG_RATE, "alpha": 0.0, "eps": -1.0, "weight_decay": -0.1},
    ),
    both(
        "dowg", ro.dowg, contrib.dowg, hyperparams={"init_estim_sq_dist": 2.0**-6},
        allow=KEEPS_PARAMS, needs_params=True, across=True,
        wrong={**WRONG_RATE, "init_estim_sq_dist": -1.0, "eps": -1.0, "weight_decay": -0.1},
    ),
    both(
        "dowg-default", ro.dowg, contrib.dowg,
        hyperparams={"learning_rate": cooling, "weight_decay": L2},
        needs_params=True, across=True,
        allow=Allowance(stores_gradients=True, keeps_params=True),
    ),
]  # fmt: skip

CONTRIB = [*MUON, *SCHEDULE_FREE, *SAM, *MOMENTS, *STEP_SIZE_FREE]
