"""Law 3: the same under jit, vmap, scan and shard_map; differentiable; shapes suffice."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P

import regopt_jax as ro
from tests.laws import runs
from tests.laws.rows import building_blocks, one_of_a_kind, only, rows
from tests.laws.runs import (
    DEVICES,
    FLOAT32,
    FLOAT64,
    SHORT,
    Layer,
    after,
    at,
    close,
    home,
    ours,
    scan,
    ulps,
)

FEW = 3
FEW_ULPS = 30  # powers of t by two programs differ by 35, or by thousands


def stacked(*trees):
    return jax.tree.map(lambda *xs: jnp.stack(xs), *trees)


@building_blocks
def test_eager_steps_equal_jitted_ones(case):
    run = ours(case, FLOAT64)
    params, state = run.params, run.state
    with run.session():
        for t in range(FEW):
            updates, state = run.tx.update(at(run.halves[0], t), state, params)
            params = ro.apply_updates(params, updates)
    close((params, state), after(run, FEW), runs.rounding(case))


def counts(case):
    parts = [part.tx.nature for part in ro.walk(case.make())]
    return any(getattr(nature, "count", None) for nature in parts)


@building_blocks
@only(counts, "does not depend on the step")
def test_an_eager_step_is_the_jitted_one_to_a_few_ulps_however_late(case):
    """A power of t or a bias correction is worked out by the same program."""
    run = ours(case, home(case))
    params, state = run.middle
    gradients = at(run.halves[1], 2)
    with run.session():
        for t in (1, 50, 3000):

            def late(x, t=t):
                return jnp.full_like(x, t) if x.dtype == jnp.int32 else x

            state = jax.tree.map(late, state)
            _, steps = run.compiled(params, state, gradients)
            updates, _ = run.tx.update(gradients, state, params)
            if "step" in run.tx.roles:  # a difference of parameters, rounded like them
                updates, steps = (ro.apply_updates(params, u) for u in (updates, steps.updates))
            else:
                steps = steps.updates
            close(updates, steps, ulps(max(FEW_ULPS, case.allow.ulps)))


@building_blocks
def test_a_step_in_place_equals_an_update_applied(case):
    run = ours(case, FLOAT64)
    params, state = run.params, run.state
    with run.session():
        for t in range(FEW):
            params, state = run.tx.step(at(run.halves[0], t), state, params)
    close((params, state), after(run, FEW), runs.rounding(case))


@one_of_a_kind
def test_a_vmapped_scan_in_shard_map_equals_one_step_at_a_time(case):
    """Data parallelism by hand: one gradient a device, averaged; two runs at once."""
    run = ours(case, FLOAT32)
    mesh = jax.make_mesh((DEVICES,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    # Powers of two, so that their mean is exact and the gradient that the steps had.
    weights = jnp.asarray([0.5, 1.5] * (DEVICES // 2), jnp.float32)
    draws = [runs.data(case, FLOAT32, seed) for seed in (0, 1)]

    def train(params, state, gradients, weight):
        local = jax.tree.map(lambda g: g * weight[0].astype(g.dtype), gradients)
        return jax.vmap(scan(run.tx))(params, state, jax.lax.pmean(local, "data"))

    with run.session():
        params = stacked(*[p for p, _ in draws])
        gradients = stacked(*[at(g, slice(SHORT)) for _, g in draws])
        state = jax.vmap(run.tx.init)(params)
        specs = (P(), P(), P(), P("data"))
        sharded = jax.shard_map(train, mesh=mesh, in_specs=specs, out_specs=P())
        ends = jax.jit(sharded)(params, state, gradients, weights)
    alone, _ = run.follow(*at((params, state, gradients), 1))
    close(at(ends, 0), after(run, SHORT), ulps(256))
    close(at(ends, 1), alone, ulps(256))


@rows
def test_shapes_are_enough_for_init(case):
    run = ours(case, home(case))
    with run.session():
        abstract = jax.eval_shape(run.tx.init, runs.shapes(case, home(case)))
    assert jax.tree.structure(abstract) == jax.tree.structure(run.state)
    pairs = zip(jax.tree.leaves(abstract), jax.tree.leaves(run.state), strict=True)
    assert all(a.shape == x.shape and a.dtype == x.dtype for a, x in pairs)


SMALL = {"dense": Layer(np.array([[1.0, -2.0]], "f"), np.array([0.5, 1.5], "f"))}
SLOPES = {"dense": Layer(np.array([[0.25, 2.0]], "f"), np.array([-1.0, 0.75], "f"))}


def two_steps(tx, gradients):
    """A number that depends on every output of two updates."""
    params = jax.tree.map(jnp.asarray, SMALL)

    def one(state, g):
        updates, state = tx.update(g, state, params)
        return state, sum(jnp.sum(u * u) + jnp.sum(u) for u in jax.tree.leaves(updates))

    both = jax.tree.map(lambda g: jnp.stack([g, 0.5 * g]), gradients)
    return jnp.sum(jax.lax.scan(one, tx.init(params), both)[1])


def numbers_of(case):
    return {k: jnp.float32(v) for k, v in case.make.keywords.items() if type(v) is float}


@building_blocks
def test_differentiable_in_the_gradients_and_in_traced_hyperparameters(case):
    """Built inside jit from traced numbers, the same as built from Python's."""

    def run(gradients, numbers):
        return two_steps(case.ours(**numbers), gradients)

    gradients = jax.tree.map(jnp.asarray, SLOPES)
    with runs.session(FLOAT32, case.theirs_inside):
        inputs = gradients, numbers_of(case)
        if case.searches:
            value, slopes = jax.jit(lambda *inputs: jax.jvp(run, inputs, inputs))(*inputs)
        else:
            value, slopes = jax.jit(jax.value_and_grad(run, argnums=(0, 1)))(*inputs)
        plain = two_steps(case.ours(), gradients)
    np.testing.assert_allclose(value, plain, rtol=1e-4)
    assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(slopes))
