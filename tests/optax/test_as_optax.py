"""What our own face does otherwise than Optax, the second face does as Optax.

Each is a probe of one module that stands for ``optax``, run with Optax and with the face. The
results are equal: values, dtypes, weak types and structure, or the error's type, and warnings.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regopt_jax import optax as face
from tests.optax.probe import G, W, require_alike, steps


def at(schedule: Any, counts: Any = (0, 1, 2, 5, 10, 11, 100)) -> list[Any]:
    return [schedule(count) for count in counts] + [schedule(jnp.int32(count)) for count in counts]


def scaled(factor: float) -> Callable[[int], float]:
    return lambda step: factor / (step + 1)


def labels(params: Any) -> Any:
    return {"w": "a", "b": "b"}


NAN = {"w": jnp.array([jnp.nan, 1.0, 1.0]), "b": jnp.array([1.0])}
ZERO = jax.tree.map(jnp.zeros_like, G)
COMPLEX = jax.tree.map(lambda w: jax.lax.complex(w, w), W)
NONE = {"w": G["w"], "b": None}
INTEGERS = {"w": jnp.array([1, 2, 3]), "b": jnp.array([1.0])}
BATCH = jax.tree.map(lambda g: g[None], G)
FLIP = (G, jax.tree.map(jnp.negative, G), G)

PROBES: dict[str, Callable[[Any], Any]] = {
    # defaults
    "rmsprop": lambda o: steps(o.rmsprop(0.1)),
    "scale_by_rms": lambda o: steps(o.scale_by_rms()),
    "scale_by_stddev": lambda o: steps(o.scale_by_stddev()),
    "rmsprop-centered": lambda o: steps(o.rmsprop(0.1, centered=True, momentum=0.9)),
    # numbers out of our ranges
    "a negative learning rate": lambda o: steps(o.sgd(-0.1)),
    "a negative rate of adamw": lambda o: steps(o.adamw(-0.1, weight_decay=-0.1)),
    "b2=1": lambda o: steps(o.adam(0.1, b2=1.0)),
    "b1=1": lambda o: steps(o.scale_by_lion(b1=1.0)),
    "a negative clip": lambda o: steps(o.clip(-1.0)),
    "clip by a negative norm": lambda o: steps(o.clip_by_global_norm(-1.0)),
    "an infinite rate": lambda o: steps(o.sgd(float("inf"))),
    "trace(2)": lambda o: steps(o.trace(2.0)),
    "ema(1.5)": lambda o: steps(o.ema(1.5, debias=False)),
    "radam below 4": lambda o: steps(o.radam(0.1, threshold=1.0)),
    "a negative eps": lambda o: steps(o.adagrad(0.1, eps=-1e-8)),
    # steps
    "no steps, constant": lambda o: at(o.constant_schedule(0.5)),
    "no steps, polynomial": lambda o: at(o.polynomial_schedule(1.0, 0.1, 1, 0)),
    "negative steps, polynomial": lambda o: at(o.polynomial_schedule(1.0, 0.1, 2, -5)),
    "negative begin, polynomial": lambda o: at(o.polynomial_schedule(1.0, 0.1, 2, 5, -3)),
    "negative steps, linear": lambda o: at(o.linear_schedule(1.0, 0.1, -5)),
    "negative steps, exponential": lambda o: at(o.exponential_decay(1.0, -5, 0.5)),
    "no steps, exponential": lambda o: at(o.exponential_decay(1.0, 0, 0.5)),
    "decay 0, exponential": lambda o: at(o.exponential_decay(1.0, 5, 0.0)),
    "negative begin, exponential": lambda o: at(o.exponential_decay(1.0, 5, 0.5, -3)),
    "no steps, cosine": lambda o: at(o.cosine_decay_schedule(1.0, 0)),
    "cosine": lambda o: at(o.cosine_decay_schedule(1.0, 7, 0.1, 2.0)),
    "warmup 0, constant": lambda o: at(o.warmup_constant_schedule(0.0, 1.0, 0)),
    "warmup, constant": lambda o: at(o.warmup_constant_schedule(0.0, 1.0, 3)),
    "warmup 0, cosine": lambda o: at(o.warmup_cosine_decay_schedule(0.0, 1.0, 0, 10)),
    "warmup, cosine": lambda o: at(o.warmup_cosine_decay_schedule(0.0, 1.0, 3, 10, 0.1)),
    "warmup beyond the end": lambda o: at(o.warmup_cosine_decay_schedule(0.0, 1.0, 10, 5)),
    "warmup, exponential": lambda o: at(
        o.warmup_exponential_decay_schedule(0.0, 1.0, 3, 4, 0.5, 1, True, 0.2)
    ),
    "a fraction of a step": lambda o: at(o.warmup_cosine_decay_schedule(0.0, 1.0, 0.5, 10)),
    "sgdr": lambda o: at(
        o.sgdr_schedule(
            [
                {"init_value": 0.0, "peak_value": 1.0, "warmup_steps": 2, "decay_steps": 5},
                {"init_value": 0.1, "peak_value": 0.5, "warmup_steps": 2, "decay_steps": 5},
            ]
        )
    ),
    "onecycle": lambda o: at(o.cosine_onecycle_schedule(10, 1.0)),
    "onecycle, linear": lambda o: at(o.linear_onecycle_schedule(10, 1.0)),
    "onecycle too short": lambda o: at(o.linear_onecycle_schedule(2, 1.0)),
    "onecycle too short, cosine": lambda o: at(o.cosine_onecycle_schedule(1, 1.0)),
    "piecewise": lambda o: at(o.piecewise_constant_schedule(1.0, {2: 0.5, 5: 0.1})),
    "piecewise without steps": lambda o: at(o.piecewise_constant_schedule(1.0)),
    "interpolated": lambda o: at(o.piecewise_interpolate_schedule("cosine", 1.0, {2: 0.5, 5: 2})),
    "joined": lambda o: at(o.join_schedules([o.constant_schedule(1.0), lambda n: 2.0 * n], [3])),
    "past 2**31": lambda o: [
        o.linear_schedule(1.0, 0.0, 10)(2**35),
        o.exponential_decay(1.0, 5, 0.5, transition_begin=2)(2**31 + 5),
        o.piecewise_constant_schedule(1.0, {3: 0.1})(2**40),
    ],
    # holes and odd leaves
    "a None gradient under sgd": lambda o: steps(o.sgd(0.1), grads=[NONE, NONE]),
    "integer parameters": lambda o: o.adam(0.1).init(INTEGERS),
    "integer parameters under trace": lambda o: o.trace(0.9).init(INTEGERS),
    "no parameters": lambda o: steps(o.adam(0.1), params={}, grads=[{}, {}]),
    "an empty tuple": lambda o: steps(o.sgd(0.1), params=(), grads=[()]),
    "zeros": lambda o: steps(o.adam(0.1), grads=[ZERO, ZERO]),
    "a real dtype for complex moments": lambda o: o.adam(0.1, mu_dtype="float32").init(COMPLEX),
    "a complex dtype for real ones": lambda o: o.trace(0.9, accumulator_dtype="complex64").init(W),
    "a dtype for schedule_free": lambda o: o.contrib.schedule_free_sgd(
        state_dtype="complex64"
    ).init(W),
    # wrappers
    "unused labels": lambda o: steps(
        o.partition({"a": o.sgd(0.1), "b": o.adam(0.1), "c": o.sgd(1.0)}, labels)
    ),
    "a label that nothing has": lambda o: o.partition({"a": o.sgd(0.1)}, labels).init(W),
    "multi_transform": lambda o: steps(
        o.multi_transform({"a": o.sgd(0.1), "b": o.set_to_zero()}, {"w": "a", "b": "b"})
    ),
    "apply_if_finite": lambda o: steps(
        o.apply_if_finite(o.adam(0.1), 2), grads=[G, NAN, NAN, NAN, NAN, G, NAN, G]
    ),
    "apply_if_finite(0)": lambda o: steps(o.apply_if_finite(o.sgd(0.1), 0), grads=[NAN, G, NAN]),
    "MultiSteps": lambda o: steps(o.MultiSteps(o.adam(0.1), 2), grads=[G] * 5),
    "MultiSteps by a schedule": lambda o: steps(
        o.MultiSteps(o.sgd(0.1), lambda n: jnp.where(n < 1, 1, 2)), grads=[G] * 5
    ),
    "MultiSteps that skips": lambda o: steps(
        o.MultiSteps(o.sgd(0.1), 2, should_skip_update_fn=o.skip_not_finite),
        grads=[G, NAN, G, G, G],
    ),
    "MultiSteps, its transformation": lambda o: steps(
        o.MultiSteps(o.sgd(0.1), 2, use_grad_mean=False).gradient_transformation(), grads=[G] * 4
    ),
    "MultiSteps in a chain": lambda o: steps(
        o.chain(o.clip(1.0), o.MultiSteps(o.sgd(0.1), 2)), grads=[G] * 4
    ),
    "lookahead": lambda o: look_ahead(o, o.lookahead(o.sgd(0.1), 2, 0.5)),
    "lookahead that resets": lambda o: look_ahead(o, o.lookahead(o.adam(0.1), 2, 0.5, True)),
    "flatten": lambda o: steps(o.flatten(o.adam(0.1))),
    "inject_hyperparams": lambda o: steps(o.inject_hyperparams(o.adam)(0.1, b1=scaled(0.5))),
    "inject_hyperparams of a partial": lambda o: steps(
        o.inject_hyperparams(partial(o.adamw, weight_decay=0.1))(learning_rate=0.1)
    ),
    "inject_hyperparams, static": lambda o: steps(
        o.inject_hyperparams(o.adamw, static_args=("b1",))(0.1, b1=0.8)
    ),
    "inject_stateful_hyperparams": lambda o: steps(o.inject_stateful_hyperparams(o.sgd)(0.1)),
    "schedule_free": lambda o: steps(o.contrib.schedule_free_sgd(scaled(0.1))),
    "sam": lambda o: steps(
        o.contrib.sam(o.sgd(0.1), o.chain(o.contrib.normalize(), o.sgd(0.05)), sync_period=1)
    ),
    "reduce_on_plateau": lambda o: [
        steps(o.contrib.reduce_on_plateau(patience=patience), value=value, grads=[G] * 4)
        for patience in (0, 1, 2)
        for value in (1.0, -1.0)
    ],
    "monitor": lambda o: steps(
        o.chain(o.sgd(0.1), o.monitor({"n": lambda u, *_, **__: o.tree.norm(u)}))
    ),
    "snapshot": lambda o: steps(o.chain(o.sgd(0.1), o.snapshot("n", lambda u, *_, **__: u))),
    "masked": lambda o: steps(o.masked(o.adam(0.1), {"w": True, "b": False})),
    "masked by zeros and ones": lambda o: steps(o.masked(o.adam(0.1), {"w": 1, "b": 0})),
    "freeze": lambda o: steps(o.freeze({"w": True, "b": False})),
    "keep_params_nonnegative": lambda o: steps(
        o.chain(o.sgd(1.0), o.keep_params_nonnegative()), params=jax.tree.map(jnp.abs, W)
    ),
    "zero_nans": lambda o: steps(o.chain(o.zero_nans(), o.sgd(0.1)), grads=[NAN, G]),
    "apply_every": lambda o: steps(o.apply_every(2), grads=[G] * 4),
    # formulas
    "rprop": lambda o: steps(o.rprop(0.1), grads=FLIP),
    "sign of adadelta": lambda o: steps(o.adadelta(0.1)),
    "novograd": lambda o: steps(o.novograd(0.1)),
    "fromage": lambda o: steps(o.fromage(0.1)),
    "adan": lambda o: steps(o.adan(0.1, 0.98, 0.92, 0.99, 1e-8, 0.0), grads=FLIP),
    "optimistic_adam": lambda o: steps(o.optimistic_adam(0.1)),
    "noisy_sgd": lambda o: steps(o.noisy_sgd(0.1, seed=1)),
    "add_noise": lambda o: steps(o.add_noise(0.1, 0.5, 3)),
    "a scalar of distance": lambda o: steps(
        o.scale_by_distance_over_gradients(), {"s": jnp.array(2.0)}, [{"s": jnp.array(1.0)}] * 2
    ),
    "deprecated names": lambda o: [
        o.global_norm(G),
        *steps(o.dpsgd(0.1, 1.0, 0.1, seed=1), grads=[BATCH]),
    ],
    "private without a key": lambda o: steps(
        o.contrib.differentially_private_aggregate(1.0, 0.1), grads=[BATCH]
    ),
    "bias_correction": lambda o: o.bias_correction(G, 0.9, jnp.int32(3)),
    "incremental_update": lambda o: o.incremental_update(W, G, 0.1),
    "periodic_update": lambda o: o.periodic_update(W, G, jnp.int32(4), 2),
    "apply_updates": lambda o: o.apply_updates({"w": W["w"], "b": None}, {"w": G["w"], "b": None}),
    "hungarian": lambda o: o.assignment.hungarian_algorithm(jnp.array([[4.0, 1.0], [2.0, 3.0]])),
    # what a chain takes
    "an empty state of None": lambda o: steps(o.chain(by_hand(o, None), o.sgd(0.1))),
    "an empty state of ()": lambda o: steps(o.chain(by_hand(o, ()), o.sgd(0.1))),
    "an empty state of {}": lambda o: steps(o.masked(by_hand(o, {}), {"w": True, "b": False})),
    "a transformation by its shape": lambda o: steps(o.chain(ByShape(), o.sgd(0.1))),
    "value= past what does not take it": lambda o: steps(
        o.chain(by_hand(o, ()), o.sgd(0.1)), value=1.0
    ),
    "keywords of update": lambda o: by_keywords(o.chain(o.clip(1.0), o.adam(0.1))),
    "a named chain": lambda o: steps(o.named_chain(("a", o.clip(1.0)), ("b", o.sgd(0.1)))),
    "injected, without parameters": lambda o: without_params(
        o.inject_hyperparams(o.scale)(lambda count: count), jnp.arange(3)
    ),
    "a learning rate of None": lambda o: steps(o.adam(None)),
    "an array for a rate": lambda o: steps(o.sgd(jnp.array(0.1))),
    "a NumPy rate": lambda o: steps(o.adam(np.float32(0.1))),
    "no parameters given": lambda o: o.adamw(0.1).update(G, o.adamw(0.1).init(W)),
}


class ByShape:
    """A transformation in all but its type."""

    def init(self, params):
        return {}

    def update(self, updates, state, params=None):
        return jax.tree.map(lambda u: 2 * u, updates), state


def by_hand(o: Any, empty: Any) -> Any:
    return o.GradientTransformation(
        lambda params: empty, lambda u, state, params=None: (jax.tree.map(jnp.negative, u), state)
    )


def by_keywords(tx: Any) -> Any:
    return tx.update(updates=G, state=tx.init(params=W), params=W)


def without_params(tx: Any, g: Any) -> Any:
    return tx.update(g, tx.init(g))


def look_ahead(o: Any, tx: Any) -> list[Any]:
    params = o.LookaheadParams.init_synced(W)
    state, seen = tx.init(params), []
    for _ in range(4):
        updates, state = tx.update(G, state, params)
        params = o.apply_updates(params, updates)
        seen += [params, state]
    return seen


# Where Optax's own arithmetic is the coarser: differences of like numbers.
ROUNDING = {"schedule_free": 3e-5}


@pytest.mark.parametrize("name", PROBES)
def test_the_face_does_as_optax(name):
    require_alike(PROBES[name], rtol=ROUNDING.get(name, 3e-6))


def test_a_period_may_be_a_quotient():
    """Optax's own class takes it and fails at the update."""
    halves, twos = (face.MultiSteps(face.adam(0.1), k) for k in (8 / 4, 2))
    jax.tree.map(np.testing.assert_array_equal, steps(halves), steps(twos))
