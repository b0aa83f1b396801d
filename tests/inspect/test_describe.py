"""What ``describe`` says of a chain is what the chain is."""

import jax
import jax.numpy as jnp
import optax
import pytest

import regopt_jax as ro
from regopt_jax._core.show import shown
from tests.cases import CASES
from tests.laws import runs
from tests.laws.runs import FLOAT32

PARAMS = {
    "dense": {"kernel": jnp.ones((4, 3)), "bias": jnp.ones(3)},
    "out": {"kernel": jnp.ones((3, 2)), "bias": jnp.ones(2)},
}
KERNELS = ro.select("**/kernel")


def test_the_recommended_chain_reads_as_it_is_built():
    text = str(ro.describe(ro.recommended(1000), PARAMS))
    for said in ("max_norm=1", "weight_decay=0.05", "2        18    0 B", "4        23  192 B"):
        assert said in text


APPENDIX = """
part                                                                 leaves  elements  state
proximal(regularizer=1e-5 * L1.on(select('**/kernel')))                   2        18  196 B
└─ partition(param_labels=label_by(selectors={decay:                      4        23  196 B
   │    select('**/kernel')}, default='plain'))
   ├─ decay: adamw                                                        2        18  152 B
   │  ├─ scale_by_adam(b1=0.9, b2=0.999, eps=1e-8, eps_root=0)            2        18  148 B
   │  ├─ add_decayed_weights(weight_decay=0.0001)                         2        18    0 B
   │  └─ scale_by_learning_rate(                                          2        18    4 B
   │          learning_rate=cosine_decay_schedule(init_value=0.001,
   │          decay_steps=1000000))
   └─ plain: adam                                                         2         5   44 B
      ├─ scale_by_adam(b1=0.9, b2=0.999, eps=1e-8, eps_root=0)            2         5   44 B
      └─ scale_by_learning_rate(learning_rate=0.001)                      2         5    0 B
"""


def test_it_reads_as_a_table_for_an_appendix():
    rate = ro.cosine_decay_schedule(1e-3, decay_steps=1_000_000)
    labels = ro.label_by({"decay": KERNELS}, default="plain")
    groups = {"decay": ro.adamw(rate), "plain": ro.adam(1e-3)}
    tx = ro.proximal(ro.partition(groups, labels), ro.l1(1e-5).on(KERNELS))
    assert str(ro.describe(tx, PARAMS)) == APPENDIX.strip()


def test_what_sets_parts_apart_is_said_beside_them():
    muon = ro.describe(ro.muon(0.1), PARAMS)
    assert [part.works for part in muon.parts] == ["across elements, no metric", ""]
    assert " works " in str(muon).splitlines()[0]
    legend = "across elements: cannot be packed; no metric: no proximal map can follow"
    assert str(muon).splitlines()[-1] == legend
    assert muon._repr_html_().endswith(f"</table>{legend}")
    assert "works" not in str(ro.describe(ro.adam(0.1), PARAMS))
    assert "across elements:" in str(ro.describe(ro.muon(0.1)))
    assert "cannot be packed" not in str(ro.describe(ro.adadelta(0.1), PARAMS))


def test_groups_of_a_partition_name_their_leaves_and_their_states():
    labels = ro.label_by({"decay": KERNELS}, default="plain")
    tx = ro.partition({"decay": ro.adamw(1e-3), "plain": ro.sgd(0.1, 0.9)}, labels)
    partition = ro.describe(ro.proximal(tx, ro.l1(1e-3).on(KERNELS)), PARAMS).parts[0]
    decay, plain = partition.parts
    assert (decay.label, decay.name, decay.covers) == ("decay", "adamw", "2 leaves, 18 elements")
    assert (plain.label, plain.name, plain.covers) == ("plain", "sgd", "2 leaves, 5 elements")
    assert decay.state_bytes == 2 * 18 * 4 + 4
    assert plain.state_bytes == 5 * 4
    assert partition.state_bytes == decay.state_bytes + plain.state_bytes


GROUPS = {"matrix": ro.sgd(0.1), "vector": ro.adam(0.1)}
BY_RANK = ro.label_by({"matrix": ro.select(ndim=2)}, default="vector")


@pytest.mark.parametrize(
    "tx",
    [ro.muon(0.1), ro.normuon(0.1), ro.partition(GROUPS, BY_RANK).named("mine")],
    ids=["muon", "normuon", "a partition by another name"],
)
def test_groups_are_told_apart_whatever_the_whole_is_called(tx):
    described = ro.describe(tx, PARAMS)
    assert described.covers == "4 leaves, 23 elements"
    assert [part.covers for part in described.parts] == [
        "2 leaves, 18 elements",
        "2 leaves, 5 elements",
    ]


def test_a_mask_by_another_name_covers_what_it_selects():
    tx = ro.masked(ro.add_decayed_weights(0.1), KERNELS).named("decay")
    described = ro.describe(tx, PARAMS)
    assert described.covers == described.parts[0].covers == "2 leaves, 18 elements"


def test_what_runs_on_the_fast_parameters_sees_their_paths():
    tx = ro.lookahead(ro.adamw(0.1, mask=KERNELS), 5, 0.5)
    described = ro.describe(tx, ro.LookaheadParams.init_synced(PARAMS))
    assert described.parts[0].parts[1].covers == "2 leaves, 18 elements"


def test_a_part_that_acts_on_some_leaves_says_which():
    decayed = ro.add_decayed_weights(0.1, mask=KERNELS)
    assert ro.describe(decayed, PARAMS).covers == "2 leaves, 18 elements"
    assert ro.describe(ro.coupled(ro.l2(0.1).on(KERNELS)), PARAMS).covers.startswith("2 leaves")
    proximal = ro.describe(ro.proximal(ro.adam(0.1), ro.l1(0.1).on(KERNELS)), PARAMS)
    assert proximal.covers == "2 leaves, 18 elements"
    assert proximal.parts[0].covers == "4 leaves, 23 elements"


def test_a_schedule_is_shown_as_the_call_that_made_it():
    tx = ro.sgd(ro.cosine_decay_schedule(0.1, decay_steps=500))
    rate = ro.describe(tx).parts[1].hyperparams["learning_rate"]
    assert rate == "cosine_decay_schedule(init_value=0.1, decay_steps=500)"


def test_schedules_and_chains_print_as_calls():
    joined = ro.join_schedules([ro.constant_schedule(1.0), lambda t: 2.0], [10])
    said = "join_schedules(schedules=[constant_schedule(value=1), <lambda>], boundaries=[10])"
    assert repr(joined) == joined.description == said
    assert f"learning_rate={said}" in repr(ro.sgd(joined))
    assert repr(ro.step_decay(0.1, 30)) == "step_decay(init_value=0.1, every_steps=30)"
    assert float(jax.jit(joined)(3)) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1234567"),
        (1e-8, "1e-8"),
        (0.9999999, "0.9999999"),
        (3 * 0.1, "0.3"),
        (-1.0, "-1"),
        (jnp.float32(1e-3), "0.001"),
        (jnp.int32(2_000_000), "2000000"),
        ((1e-5, 0.5), "[1e-5, 0.5]"),
    ],
)
def test_numbers_are_shown_with_the_digits_they_have(value, text):
    assert shown(value) == text


def test_long_parts_are_wrapped_and_indented_under_their_branch():
    tx = ro.sgd(ro.warmup_cosine_decay_schedule(0.0, 1e-3, warmup_steps=100, decay_steps=10_000))
    lines = str(ro.describe(tx)).splitlines()
    assert max(map(len, lines)) < 110
    assert len(lines) > 3
    long = ro.describe(ro.sgd(ro.join_schedules([ro.linear_schedule(0, 1, 10)] * 4, [9, 19, 29])))
    assert max(map(len, str(long).splitlines())) <= 92
    assert lines[-1].startswith("     ")


def test_without_parameters_nothing_is_said_of_leaves_and_bytes():
    described = ro.describe(ro.adam(1e-3))
    assert described.covers is None
    assert described.state_bytes is None
    assert " B" not in str(described)


def test_optax_is_described_by_its_name():
    described = ro.describe(ro.chain(optax.scale_by_adam(), ro.scale(-1.0)), PARAMS)
    theirs, ours = described.parts
    assert theirs.name == "optax.scale_by_adam"
    assert theirs.state_bytes == 2 * 23 * 4 + 4
    assert ours.hyperparams == {"step_size": "-1"}


def test_in_a_notebook_it_is_a_table_with_a_row_for_each_part():
    html = ro.describe(ro.recommended(1000), PARAMS)._repr_html_()
    assert html.count("<tr>") == 1 + 7
    assert ">state</th>" in html
    assert ">works</th>" not in html
    assert '<td style="text-align:right;white-space:nowrap">18</td>' in html
    assert "select(min_ndim=2)" in html
    assert "&lt;lambda&gt;" in ro.describe(ro.sgd(lambda t: 0.1))._repr_html_()


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_every_row_can_be_described(case):
    tx, params = case.ours(), runs.shapes(case, FLOAT32)
    with runs.session(FLOAT32, case.theirs_inside):
        described = ro.describe(tx, params)
        state = jax.eval_shape(tx.init, params)
    assert described.name == tx.name
    assert described.state_bytes == sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state))
    assert str(described).count("\n") + 1 >= 1 + len(described.parts)
    assert "0x" not in str(described) + repr(tx)


def test_a_lens_may_compute_on_what_describe_knows_the_shapes_of():
    """A wrapper that keeps its part's state in another format decodes where it is asked."""

    @ro.transformation()
    def halved(inner: ro.GradientTransformation) -> ro.GradientTransformation:
        def double(state):
            return jax.tree.map(lambda x: jnp.sqrt(x) ** 2 * 2, state)

        def half(state):
            return jax.tree.map(lambda x: x / 2, state)

        def update(updates, state, params=None, **extra):
            out, state = inner.update(updates, double(state), params, **extra)
            return out, half(state)

        lens = ro.Lens(lambda state: (double(state),), lambda _, states: half(states[0]))
        return ro.wrap(inner, init=lambda p: half(inner.init(p)), update=update, lens=lens)

    described = ro.describe(halved(ro.trace(0.9)), {"w": jnp.ones(3)})
    assert [part.state_bytes for part in (described, *described.parts)] == [12, 12]
