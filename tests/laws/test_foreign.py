"""Transformations that are not ours go into everything of ours, however they are built."""

import inspect
import pickle
import typing

import jax
import jax.numpy as jnp
import optax
import pytest

import regopt_jax as ro
from tests.laws import runs
from tests.laws.rows import makers, rows
from tests.laws.runs import FLOAT32


def init(params):
    return {"count": 0, "factor": 0.5}  # Python's numbers: a state may hold any


def update(g, s, p=None):
    """Its parameters have names of their own, and it takes nothing else."""
    return jax.tree.map(lambda x: 0.5 * x, g), {**s, "count": s["count"] + 1}


def with_value(updates, state, params=None, *, value, **_):
    return update(updates, {**state, "factor": value})


class Duck:
    def init(self, params):
        return init(params)

    def update(self, updates, state, params=None):
        return update(updates, state)


class Named(optax.GradientTransformation):
    pass


PLAIN = {
    "Optax's pair": lambda: optax.GradientTransformation(init, update),
    "our pair": lambda: ro.GradientTransformation(init, update),
    "a subclass": lambda: Named(init, update),
    "an object": Duck,
    "their MultiSteps": lambda: optax.MultiSteps(optax.GradientTransformation(init, update), 2),
    "our MultiSteps": lambda: ro.MultiSteps(optax.GradientTransformation(init, update), 2),
}
EXTRA = {
    "their pair with extra arguments": lambda: optax.GradientTransformationExtraArgs(
        init, with_value
    ),
    "our pair with extra arguments": lambda: ro.GradientTransformation(init, with_value),
}
KINDS = PLAIN | EXTRA


def dividing(tx):
    """The same, with what a proximal map needs to know of it."""
    return ro.GradientTransformation(
        tx.init, tx.update, nature=ro.Rule("precondition", metric=lambda state, params: params)
    )


def always(step, **extra):
    return True


def split(x):
    return x


def joined(kept, dtype):
    return kept.astype(dtype)


# With what stands before or around it, where a wrapper asks for that.
AROUND = {
    "accumulate": lambda tx: ro.accumulate(tx, 2),
    "accumulate_into_moments": lambda tx: ro.accumulate_into_moments(ro.chain(ro.ema(0.9), tx), 2),
    "apply_if_finite": ro.apply_if_finite,
    "cautious": lambda tx: ro.cautious(tx, descent=True),
    "chain": lambda tx: ro.chain(ro.clip(1.0), tx, ro.scale(-1.0)),
    "clip_update_rms": lambda tx: ro.clip_update_rms(dividing(tx), 1.0),
    "conditionally_mask": lambda tx: ro.conditionally_mask(tx, always),
    "conditionally_mask-extra": lambda tx: ro.conditionally_mask(tx, always, True),
    "conditionally_transform": lambda tx: ro.conditionally_transform(tx, always),
    "constant_norm": lambda tx: ro.chain(ro.constant_norm(ro.sgd(0.1)), tx),
    "flatten": ro.flatten,
    "galore": lambda tx: ro.galore(0.1, rank=1, base_optimizer=tx),
    "inject_hyperparams": lambda tx: ro.inject_hyperparams(
        lambda rate: ro.chain(tx, ro.scale(rate))
    )(0.1),
    "kahan": ro.kahan,
    "lbfgs": lambda tx: ro.lbfgs(0.1, linesearch=tx),
    "lookahead": lambda tx: ro.lookahead(tx, 2, 0.5),
    "lookahead-reset": lambda tx: ro.lookahead(tx, 2, 0.5, reset_state=True),
    "master_weights": ro.master_weights,
    "masked": lambda tx: ro.masked(tx, ro.select(min_ndim=1)),
    "mechanize": ro.mechanize,
    "monitor": lambda tx: ro.chain(ro.monitor({"norm": ro.global_norm, "halves": tx}), tx),
    "MultiSteps": lambda tx: ro.MultiSteps(tx, 2),
    "named_chain": lambda tx: ro.named_chain(("first", tx), ("second", ro.sgd(0.1))),
    "partition": lambda tx: ro.partition({"all": tx}, "all"),
    "proximal": lambda tx: ro.proximal(ro.chain(dividing(tx), ro.sgd(0.1)), ro.l1(0.1)),
    "quantized": lambda tx: ro.quantized(tx, min_size=0),
    "regularize": lambda tx: ro.regularize(ro.chain(tx, ro.sgd(0.1)), ro.l2(0.1), how="coupled"),
    "sam": lambda tx: ro.sam(tx, tx, opaque_mode=False, sync_period=2),
    "scale_by_sophia": lambda tx: ro.scale_by_sophia(hessian_diagonal_fn=tx),
    "scale_by_galore": lambda tx: ro.scale_by_galore(1, base_optimizer=tx),
    "schedule_free": lambda tx: ro.schedule_free(tx, 0.1),
    "selective_transform": lambda tx: ro.selective_transform(tx, freeze_mask=False),
    "sophia": lambda tx: ro.sophia(0.1, hessian_diagonal_fn=tx),
    "split_real_and_imaginary": ro.split_real_and_imaginary,
    "stochastic_rounding": ro.stochastic_rounding,
    "stored": lambda tx: ro.stored(tx, split, joined),
    "with_extra_args_support": ro.with_extra_args_support,
}
OTHERWISE = {"wrap", "multi_transform", "inject_stateful_hyperparams"}  # other names, or a door
PARAMS = {"w": jnp.ones((2, 3)), "b": jnp.ones(3)}


def two_steps(tx, params, **extra):
    def run(params):
        state = tx.init(params)
        for _ in range(2):
            updates, state = tx.update(params, state, params, **extra)
        return updates, state

    return jax.eval_shape(run, params)


def test_all_that_takes_a_transformation_is_tried():
    def takes_one(function):
        hints = typing.get_type_hints(function)
        return any(
            "GradientTransformation" in str(hint)
            for name, hint in hints.items()
            if name != "return"
        )

    taking = {f.__name__ for f in makers() if takes_one(f)} - OTHERWISE
    assert taking <= {name.partition("-")[0] for name in AROUND}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrapper", AROUND)
def test_anything_with_init_and_update_goes_inside(wrapper, kind):
    """Under an extra argument that it gets if it is Optax's type of those that do."""
    tx = AROUND[wrapper](KINDS[kind]())
    paired = wrapper.startswith("lookahead")
    params = ro.LookaheadParams.init_synced(PARAMS) if paired else PARAMS
    if kind in EXTRA and wrapper == "monitor":
        pytest.skip("a measure is tried without extra arguments, for its shape")
    with runs.session(FLOAT32, lenient=kind.startswith("their")):
        updates, _ = two_steps(tx, params, value=jnp.array(2.0))
    if wrapper != "monitor":
        assert jax.tree.map(jnp.shape, updates) == jax.tree.map(jnp.shape, params)
    if kind in EXTRA:
        with pytest.raises(TypeError, match="value"):
            two_steps(tx, params)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_it_was_inside_too(kind):
    """Its numbers come out, and whatever describes a chain describes it there."""
    tx = ro.chain(KINDS[kind](), ro.scale(2.0))
    state = tx.init(PARAMS)
    with runs.session(FLOAT32, lenient=kind.startswith("their")):
        for _ in range(2):
            updates, state = tx.update(PARAMS, state, PARAMS, value=3.0)
    assert float(updates["w"][0, 0]) == 1.0
    assert len(tx.parts) == 2
    assert str(ro.describe(tx, PARAMS))
    assert list(ro.hyperparams(tx, state).values())[-1] == 2.0


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_described_and_trained_by_itself(kind):
    tx = KINDS[kind]()
    assert str(ro.describe(tx, PARAMS))
    with runs.session(FLOAT32, lenient=kind.startswith("their")):
        assert isinstance(ro.hyperparams(tx, tx.init(PARAMS)), dict)
        if kind in PLAIN:
            step = ro.train_step(lambda params, batch: ro.global_norm(params), tx, donate=False)
            jax.eval_shape(step, ro.TrainState.create(PARAMS, tx), 1.0)


def test_what_is_no_transformation_is_refused():
    for wrong in (ro.MultiSteps, ro.adam, lambda params: params, (init, update), 0.1, {}):
        with pytest.raises(TypeError, match="Expected a gradient transformation"):
            ro.chain(wrong)


def test_our_pair_by_hand_is_the_pair_that_it_was_given():
    tx, twin = (ro.GradientTransformation(init, update) for _ in range(2))
    assert tx == twin
    assert hash(tx) == hash(twin)
    assert pickle.loads(pickle.dumps(tx)).update(1.0, tx.init(1.0))[0] == 0.5
    assert tx.update(updates=1.0, state=tx.init(1.0), params=2.0)[0] == 0.5
    assert ro.GradientTransformation(*tx) == tx
    assert tx._replace(init=dict).update == tx.update


@rows
def test_every_part_takes_its_arguments_by_optax_names(case):
    tx = case.make()
    for part in ro.walk(tx):
        names = list(inspect.signature(part.tx.update).parameters)
        assert names[:3] == ["updates", "state", "params"], part.path
    with runs.session(FLOAT32, case.theirs_inside):
        tx = case.ours()
        params = runs.shapes(case, FLOAT32)
        state = jax.eval_shape(tx.init, params)
        jax.eval_shape(
            lambda g, s, p: tx.update(updates=g, state=s, params=p), params, state, params
        )
