"""Aggregators: equal to Optax, in both faces, and what they say of themselves."""

import inspect
import pickle
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax.experimental import aggregating as theirs

import regopt_jax as ro
from regopt_jax import optax as face
from regopt_jax.experimental import aggregating as ours
from tests.laws.compare import close, same_bits

RNG = np.random.default_rng(0)
PARAMS = {"kernel": RNG.normal(size=(3, 2)), "bias": RNG.normal(size=2), "scale": np.float64(0.5)}
STEPS = 7
FACES = {
    "ours": (ours, ro),
    "the second": (face.experimental.aggregating, face),
    "Optax": (theirs, optax),
}

# What is built of a module of aggregators and one of optimisers, and the axes of the examples.
PROGRAMS = {
    "mean": (lambda a, o: a.average_per_element_updates(), (0,)),
    "mean of two axes": (lambda a, o: a.average_per_element_updates((0, 1)), (0, 1)),
    "accumulated": (lambda a, o: a.accumulate_avg_updates(3), ()),
    "not accumulated": (lambda a, o: a.accumulate_avg_updates(1), ()),
    "mean, accumulated": (lambda a, o: a.average_incrementally_updates(0, 2), (0,)),
    "a mean already": (lambda a, o: a.average_incrementally_updates(None, 2), ()),
    "squares": (lambda a, o: a.get_per_element_mean_and_sum_sq_diff_grads(), (0,)),
    "squares, accumulated": (
        lambda a, o: a.get_per_element_mean_and_sum_sq_diff_grads((0, 1), 3),
        (0, 1),
    ),
    "clipped, averaged, Adam": (
        lambda a, o: a.process(o.clip(0.5), a.average_per_element_updates(), o.adam(0.1)),
        (0,),
    ),
    "accumulated for Adam": (
        lambda a, o: a.process(o.identity(), a.average_incrementally_updates(0, 3), o.adamw(0.1)),
        (0,),
    ),
    "an aggregator of one's own": (
        lambda a, o: a.process(
            o.stateless(lambda g, _: jax.tree.map(jnp.tanh, g)),
            a.Aggregator(
                init=lambda params: o.EmptyState(),
                update=lambda g, state, _: (jax.tree.map(lambda x: jnp.median(x, 0), g), state),
            ),
            o.sgd(0.1, momentum=0.9),
        ),
        (0,),
    ),
    "variance": (lambda a, o: a.add_mean_variance_to_opt(o.adam(0.1), 0.7), (0,)),
    "variance, accumulated": (
        lambda a, o: a.add_mean_variance_to_opt(o.sgd(0.1), accumulation_steps=2),
        (0,),
    ),
    "variance over the last axis": (
        lambda a, o: a.add_mean_variance_to_opt(o.sgd(0.1), per_elt_axis=[-1]),
        (-1,),
    ),
}


def gradients(axes, dtype, seed=1):
    rng = np.random.default_rng(seed)

    def one(x):
        shape = (*x.shape, 4) if axes == (-1,) else (*(4, 2)[: len(axes)], *x.shape)
        return jnp.asarray(rng.normal(size=shape) * 10.0 ** rng.uniform(-3, 1), dtype)

    return [jax.tree.map(one, PARAMS) for _ in range(STEPS)]


def followed(tx, axes, dtype):
    params = jax.tree.map(lambda x: jnp.asarray(x, dtype), PARAMS)
    state, seen, update = tx.init(params), [], jax.jit(tx.update)
    seen.append((state, state))
    for g in gradients(axes, dtype):
        out, state = update(g, state, params)
        seen.append((out, state))
    return seen


def through(of, name, dtype):
    make, axes = PROGRAMS[name]
    promotion = "standard" if of == "Optax" else "strict"
    with jax.numpy_dtype_promotion(promotion), jax.numpy_rank_promotion("allow"):
        return followed(make(*FACES[of]), axes, dtype)


@pytest.mark.parametrize("of", ["ours", "the second"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_equal_to_optax_in_float64(of, name):
    with jax.enable_x64(True):
        mine, oracle = through(of, name, "float64"), through("Optax", name, "float64")
        close(mine, oracle, lambda dtype: 1e-12)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_second_face_has_optaxs_dtypes_and_weak_types(name, dtype):
    if (name, dtype) == ("variance, accumulated", "bfloat16"):
        pytest.skip("Optax's branches differ in their dtypes")
    mine, oracle = (through(of, name, dtype) for of in ("the second", "Optax"))
    kinds = [
        [(jnp.shape(x), jnp.result_type(x), getattr(x, "weak_type", None)) for x in leaves]
        for leaves in map(jax.tree.leaves, (mine, oracle))
    ]
    assert kinds[0] == kinds[1]
    close(mine, oracle, lambda kind: 32 * float(jnp.finfo(kind).eps))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_our_states_never_change_their_types(name, dtype):
    _, *states = (state for _, state in through("ours", name, dtype))
    first = through("ours", name, dtype)[0][1]

    def kinds(state):
        return [(x.shape, x.dtype, x.weak_type) for x in jax.tree.leaves(state)]

    assert all(kinds(state) == kinds(first) for state in states)
    assert not any(weak for _, _, weak in kinds(first))


@pytest.mark.parametrize("name", [name for name, (_, axes) in PROGRAMS.items() if axes])
@pytest.mark.parametrize("of", FACES)
def test_what_gets_single_gradients_is_an_aggregator(of, name):
    made = PROGRAMS[name][0](*FACES[of])
    assert isinstance(made, theirs.Aggregator)
    assert isinstance(made, ro.GradientTransformation) == (of != "Optax")


@pytest.mark.parametrize("name", [name for name in PROGRAMS if "own" not in name])
@pytest.mark.parametrize("of", ["ours", "the second"])
def test_said_once(of, name):
    make = partial(PROGRAMS[name][0], *FACES[of])
    made = make()
    assert made == make()
    assert hash(made) == hash(make())
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert type(again) is type(made)
    assert made.made.again() == made
    assert ro.describe(made, params=PARAMS)


def test_a_held_step_leaves_the_parameters_untouched():
    tx = ours.process(ro.identity(), ours.average_incrementally_updates(0, 2), ro.sgd(0.5))
    w = jnp.array([-0.0, 1.0])
    held, state = tx.step(jnp.ones((3, 2)), tx.init(w), w)
    same_bits(held, w)
    moved, _ = tx.step(jnp.ones((3, 2)), state, held)
    np.testing.assert_array_equal(moved, [-0.5, 0.5])


def test_a_regulariser_goes_to_the_optimiser_of_the_aggregate():
    tx = ours.process(ro.identity(), ours.average_per_element_updates(), ro.adam(0.1))
    made = ro.regularize(tx, ro.l2(0.1), how="decoupled")
    by_hand = ours.process(
        ro.identity(),
        ours.average_per_element_updates(),
        ro.regularize(ro.adam(0.1), ro.l2(0.1), how="decoupled"),
    )
    w, g = jnp.ones(2), jnp.ones((3, 2))
    same_bits(*(one.update(g, one.init(w), w)[0] for one in (made, by_hand)))
    assert isinstance(made, ours.Aggregator)


def test_the_variance_is_that_of_the_examples():
    g = jnp.asarray(RNG.normal(size=(5, 3)), jnp.float32)
    tx = ours.add_mean_variance_to_opt(ro.sgd(0.1))
    _, state = tx.update(g, tx.init(jnp.zeros(3)))
    mean, variance = ours.get_unbiased_mean_and_variance_ema(state)
    np.testing.assert_allclose(mean, np.mean(g, 0), rtol=1e-5)
    np.testing.assert_allclose(variance, np.var(g, 0, ddof=1), rtol=1e-5)
    with pytest.raises(ValueError, match="State must have"):
        ours.get_unbiased_mean_and_variance_ema(ro.sgd(0.1).init(g))


def test_bad_input_is_refused_by_name():
    mean, w = ours.average_per_element_updates((0, 1)), {"w": jnp.ones(())}
    with pytest.raises(ValueError, match=r"gradient at 'w' has shape \(3,\), without the examples"):
        mean.update({"w": jnp.ones(3)}, mean.init(w))
    squares = ours.get_per_element_mean_and_sum_sq_diff_grads()
    with pytest.raises(ValueError, match=r"gradient at 'w' has shape \(\), without the examples"):
        squares.update(w, squares.init(w))
    with pytest.raises(TypeError, match="'w' is complex"):
        squares.init({"w": jnp.ones(2, complex)})
    with pytest.raises(ValueError, match="per_elt_axis must be an integer or several"):
        ours.average_per_element_updates("x")
    track = ours.track_per_element_mean_and_variance_with_ema()
    with pytest.raises(TypeError, match="update needs the extra argument sample_size"):
        track.update(w, track.init(w))
    alone = ours.add_mean_variance_to_opt(ro.sgd(0.1))
    with pytest.raises(ValueError, match="the variance of 1 example is not defined"):
        alone.update({"w": jnp.ones(1)}, alone.init(w))
    for make in (ours.accumulate_avg_updates, partial(ours.average_incrementally_updates, 0)):
        with pytest.raises(ValueError, match=r"accumulation_steps must be an integer in \[1, inf"):
            make(0)
    with pytest.raises(ValueError, match=r"ema_decay must be in \[0, 1\)"):
        ours.track_per_element_mean_and_variance_with_ema(1.0)


@pytest.mark.parametrize("of", ["the second", "Optax"])
def test_what_optax_refuses_the_second_face_refuses(of):
    aggregating, _ = FACES[of]
    with pytest.raises(ValueError, match="accumulation_steps must be larger than or equal to 1"):
        aggregating.accumulate_avg_updates(0)
    with pytest.raises(ValueError, match="must have the same batch size"):
        aggregating.get_batch_size_from_per_elt_updates([jnp.ones(2), jnp.ones(3)], 0)


def test_every_name_of_optaxs_module_is_here():
    own = [name for name, x in vars(theirs).items() if _is_its_own(x)]
    assert len(own) > 10
    assert [name for name in own if not hasattr(ours, name)] == []
    functions = [name for name in own if inspect.isfunction(getattr(theirs, name))]
    for name in functions:
        mine, theirs_ = (inspect.signature(getattr(m, name)).parameters for m in (ours, theirs))
        assert [(p.name, p.default) for p in mine.values()] == [
            (p.name, p.default) for p in theirs_.values()
        ]


def _is_its_own(x):
    return getattr(x, "__module__", None) == theirs.__name__
