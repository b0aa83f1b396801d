"""A compiled step keeps no second copy of the gradients, whatever the tree's size."""

import jax
import jax.numpy as jnp
import optax
import pytest

import regopt_jax as ro
from regopt_jax.training.compile import compiler_options
from tests.laws.rows import only, rows
from tests.laws.runs import as_users

SIZE = 25_557_032
BLOCKS = ((64, 256), (128, 512), (256, 1024), (512, 2048))
RESNET50 = (3, 4, 6, 3)
# One block a stage, 53 leaves of the 161: each is kept or copied whatever the others are, and
# XLA's analysis of regions, which `train_step` sets, takes minutes over all 161 of Prodigy's.
SHALLOW = (1, 1, 1, 1)


def resnet(depths):
    """The shapes of its parameters: kernels, and two vectors for each normalisation."""
    shapes = {}

    def conv(name, size, inputs, outputs):
        shapes[name] = {
            "kernel": (size, size, inputs, outputs),
            "scale": (outputs,),
            "bias": (outputs,),
        }

    conv("stem", 7, 3, 64)
    inputs = 64
    for stage, ((width, outputs), depth) in enumerate(zip(BLOCKS, depths, strict=True)):
        for block in range(depth):
            name = f"stage{stage}_block{block}"
            conv(f"{name}_in", 1, inputs, width)
            conv(f"{name}_middle", 3, width, width)
            conv(f"{name}_out", 1, width, outputs)
            if block == 0:
                conv(f"{name}_shortcut", 1, inputs, outputs)
            inputs = outputs
    shapes["head"] = {"kernel": (2048, 1000), "bias": (1000,)}
    return jax.tree.map(
        lambda shape: jax.ShapeDtypeStruct(shape, jnp.float32),
        shapes,
        is_leaf=lambda x: isinstance(x, tuple),
    )


def size(tree):
    return sum(x.size for x in jax.tree.leaves(tree))


def temporaries(step, tx, *inputs):
    """Bytes, by the compiler's own account, with what ``train_step`` sets."""
    state = jax.eval_shape(tx.init, inputs[0])
    lowered = jax.jit(step, donate_argnums=(0, 1)).lower(inputs[0], state, *inputs[1:])
    return (
        lowered.compile((compiler_options() or {}) | as_users())
        .memory_analysis()
        .temp_size_in_bytes
    )


def of_a_step(tx, params):
    def step(params, state, gradients):
        return tx.step(gradients, state, params)

    return temporaries(step, tx, params, params)


def of_a_training_step(tx, params):
    """With the gradients, which are worked out within."""

    def step(params, state, slopes):
        gradients = jax.tree.map(jnp.multiply, slopes, params)
        gradients = jax.lax.optimization_barrier(gradients)
        return tx.step(gradients, state, params)

    slopes = jax.tree.map(lambda p: jax.ShapeDtypeStruct((), p.dtype), params)
    return temporaries(step, tx, params, slopes)


def one_pass(tx):
    """Elementwise, or scaled by one number of the whole tree; chains and groups of such."""
    in_turn = isinstance(tx.nature, ro.Chain) or getattr(tx.nature, "selects", False)
    return (
        tx.elementwise
        or tx.name == "clip_by_global_norm"
        or (in_turn and all(map(one_pass, tx.parts)))
    )


def test_the_tree_is_resnet50s():
    leaves = jax.tree.leaves(resnet(RESNET50))
    assert len(leaves) == 161
    assert size(resnet(RESNET50)) == SIZE


def runs_in_one_pass(case):
    return not case.theirs_inside and one_pass(case.ours())


def stores(case):
    return (case.allow.stores_gradients or case.allow.copies) and runs_in_one_pass(case)


@pytest.mark.slow
@rows
@only(runs_in_one_pass, "works across the elements of an array")
def test_a_step_needs_less_than_a_megabyte(case):
    stored = case.allow.copies + case.allow.stores_gradients
    needed = of_a_step(case.ours(), resnet(SHALLOW))
    assert needed < 2**20 + stored * 4 * size(resnet(SHALLOW))


@pytest.mark.slow
@rows
@only(stores, "stores nothing")
def test_a_training_step_stores_changed_gradients_over_the_given_ones(case):
    needed = of_a_training_step(case.ours(), resnet(SHALLOW))
    assert needed < 2**20 + (case.allow.copies + 1) * 4 * size(resnet(SHALLOW))


def test_a_clipped_adamw_step_on_resnet50_needs_less_than_a_megabyte():
    tx = ro.chain(ro.clip_by_global_norm(1.0), ro.adamw(1e-3))
    assert of_a_step(tx, resnet(RESNET50)) < 2**20


def test_the_measure_sees_a_copy_of_the_gradients():
    """A transformation that does keep a second copy is caught: the test above can fail."""
    kernels = {"a": jax.ShapeDtypeStruct((1024, 1024), jnp.float32)}

    def update(updates, state, params=None):
        return jax.tree.map(lambda g: jnp.sort(g, axis=None).reshape(g.shape), updates), state

    copies = optax.GradientTransformation(lambda p: optax.EmptyState(), update)
    assert of_a_step(ro.chain(copies, ro.adamw(1e-3)), kernels) >= 4 * 2**20
