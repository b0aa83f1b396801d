"""A PyTorch run continued under ours, and what the rows of the laws do not see."""

import copy
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro
from regopt_jax.interop import torch as rt
from tests.cases.common import cooling
from tests.oracles import pytorch, torch_formulas

SHAPES = {"a": (4, 3), "b": (3,), "c": (2, 2, 3, 4), "d": ()}
MATRICES = {"a": (4, 3), "b": (3, 5), "c": (4, 4)}
BEFORE, AFTER = 20, 40


def draw(shapes, steps=BEFORE + AFTER, seed=0):
    rng = np.random.default_rng(seed)
    params = {key: rng.normal(size=shape) for key, shape in shapes.items()}
    gradients = [
        {key: rng.normal(size=shape) for key, shape in shapes.items()} for _ in range(steps)
    ]
    return params, gradients


def torch_run(build, params, gradients):
    """PyTorch's ``state_dict`` and parameters after BEFORE steps, and its later parameters."""
    import torch

    torch.set_default_dtype(torch.float64)
    try:
        weights = {key: torch.nn.Parameter(torch.tensor(p)) for key, p in params.items()}
        optimizer = build(weights)
        after, middle = [], None
        for t, g in enumerate(gradients):
            if t == BEFORE:
                middle = copy.deepcopy(optimizer.state_dict()), arrays(weights)
            for key, weight in weights.items():
                weight.grad = torch.tensor(g[key])
            optimizer.step()
            after.append(arrays(weights))
    finally:
        torch.set_default_dtype(torch.float32)
    return *middle, after


def arrays(weights):
    return {key: weight.detach().numpy().copy() for key, weight in weights.items()}


def follow(tx, state, params, gradients):
    after = []
    update = jax.jit(tx.update)
    params = jax.tree.map(jnp.asarray, params)
    for g in gradients:
        updates, state = update(jax.tree.map(jnp.asarray, g), state, params)
        params = ro.apply_updates(params, updates)
        after.append(jax.tree.map(np.asarray, params))
    return after


def assert_close(actual, expected, relative=1e-12):
    for a, e in zip(actual, expected, strict=True):
        for key in e:
            limit = relative * max(np.max(np.abs(e[key])), 1.0)
            np.testing.assert_allclose(a[key], e[key], rtol=0, atol=limit, err_msg=key)


OPTIMIZERS = {
    "SGD": {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1, "maximize": True},
    "SGD-plain": {},
    "SGD-nesterov": {"momentum": 0.9, "nesterov": True},
    "RMSprop": {"momentum": 0.8, "centered": True, "weight_decay": 0.1},
    "RMSprop-plain": {"alpha": 0.9},
    "Adam": {"weight_decay": 0.1, "betas": (0.8, 0.9), "eps": 1e-3},
    "Adam-amsgrad": {"amsgrad": True, "betas": (0.8, 0.9), "maximize": True},
    "AdamW": {"weight_decay": 0.1},
    "AdamW-amsgrad": {"amsgrad": True},
    "NAdam": {"weight_decay": 0.1, "decoupled_weight_decay": True, "momentum_decay": 0.1},
    "RAdam": {"betas": (0.9, 0.95), "weight_decay": 0.1},
    "Adamax": {"eps": 1e-3},
    "Adagrad": {"lr_decay": 0.1, "initial_accumulator_value": 0.5},
    "Adadelta": {"weight_decay": 0.1},
    "Rprop": {"etas": (0.4, 1.3)},
    "ASGD": {"t0": 5, "lambd": 0.1},
    "Adafactor": {"weight_decay": 0.1},
}


def optimizer(name, **hyperparams):
    def build(weights):
        import torch

        return getattr(torch.optim, name.split("-")[0])(list(weights.values()), **hyperparams)

    return build


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is the oracle")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_of_pytorch_continues_under_ours(torch, name):
    first, gradients = draw(SHAPES)
    build = optimizer(name, lr=0.01, **OPTIMIZERS[name])
    state_dict, middle, after = torch_run(build, first, gradients)
    with jax.enable_x64(True):
        tx, state = rt.from_torch(state_dict, jax.tree.map(jnp.asarray, middle))
        assert tx.name == name.split("-")[0].lower()
        ours = follow(tx, state, middle, gradients[BEFORE:])
    assert_close(ours, after[BEFORE:])


def test_a_state_without_steps_is_the_state_of_init(torch):
    first, _ = draw(SHAPES)
    weights = [torch.nn.Parameter(torch.tensor(p)) for p in first.values()]
    state_dict = torch.optim.AdamW(weights, lr=0.1).state_dict()
    tx, state = rt.from_torch(state_dict, first)
    assert jax.tree.all(jax.tree.map(lambda a, b: jnp.all(a == b), state, tx.init(first)))


def test_the_step_is_taken_even_where_pytorch_has_no_state(torch):
    weights = [torch.nn.Parameter(torch.ones(2))]
    state_dict = torch.optim.SGD(weights, lr=0.1).state_dict()
    tx, state = rt.from_torch(state_dict, {"w": jnp.ones(2)}, rt.sgd(cooling), step=BEFORE)
    assert float(ro.learning_rate(tx, state)) == pytest.approx(float(cooling(BEFORE)))


def groups(weights):
    import torch

    return torch.optim.AdamW(
        [
            {"params": [weights["b"], weights["d"]], "weight_decay": 0.0},
            {"params": [weights["a"], weights["c"]], "weight_decay": 0.1, "lr": 0.02},
        ],
        lr=0.01,
    )


def test_groups_become_a_partition(torch):
    first, gradients = draw(SHAPES)
    state_dict, middle, after = torch_run(groups, first, gradients)
    with jax.enable_x64(True):
        tx, state = rt.from_torch(state_dict, middle, names=["b", "d", "a", "c"])
        rates = {key: float(rate) for key, rate in ro.learning_rate(tx, state).items()}
        ours = follow(tx, state, middle, gradients[BEFORE:])
    assert rates == {"group_0": 0.01, "group_1": 0.02}
    assert_close(ours, after[BEFORE:])


LATER = {
    "AdamW": ({"weight_decay": 0.1}, {}),
    "Adam": ({"amsgrad": True}, {"lr": 0.02}),
    "SGD": ({"momentum": 0.9, "dampening": 0.3}, {}),
    "NAdam": ({}, {"weight_decay": 0.1}),
}


@pytest.mark.parametrize("late", [BEFORE // 2, BEFORE])
@pytest.mark.parametrize("name", LATER)
def test_a_group_that_was_added_later_is_at_its_own_step(torch, name, late):
    """Also one that is added at the end, and has done none."""
    first, gradients = draw(SHAPES)
    hyperparams, own = LATER[name]

    def build(weights):
        early = [weights["a"], weights["b"], weights["c"]]
        optimizer = getattr(torch.optim, name)(early, lr=0.01, **hyperparams)
        done = [0]

        def add(optimizer, *_):
            done[0] += 1
            if done[0] == late:
                optimizer.add_param_group({"params": [weights["d"]], **own})

        optimizer.register_step_post_hook(add)
        return optimizer

    state_dict, middle, after = torch_run(build, first, gradients)
    with jax.enable_x64(True):
        tx, state = rt.from_torch(state_dict, middle)
        ours = follow(tx, state, middle, gradients[BEFORE:])
        assert_close(ours, after[BEFORE:])
        again, _ = rt.from_torch(state_dict, middle, ro.chain(ro.clip_by_global_norm(1e6), tx))
        assert again.name == "chain"
        if name == "SGD" and late < BEFORE:
            return  # of its steps only the first counts, and both have done that
        together = getattr(rt, name.lower())(0.01, **hyperparams)
        with pytest.raises(ValueError, match=r"counts the steps of all leaves together.*partition"):
            rt.from_torch(state_dict, middle, together)


def test_names_that_pytorch_saved_are_matched(torch):
    first, gradients = draw(SHAPES)

    def build(weights):
        named = [(f"net.{key}", weights[key]) for key in "dcba"]
        return torch.optim.Adam(named, lr=0.01)

    state_dict, middle, after = torch_run(build, first, gradients)
    with jax.enable_x64(True):
        tx, state = rt.from_torch(state_dict, {"net": middle})
        nested = [{"net": g} for g in gradients[BEFORE:]]
        ours = [p["net"] for p in follow(tx, state, {"net": middle}, nested)]
    assert_close(ours, after[BEFORE:])


def test_a_chain_with_a_clip_and_a_schedule_continues(torch):
    first, gradients = draw(SHAPES)
    gradients = [{key: 0.01 * x for key, x in g.items()} for g in gradients]

    def build(weights):
        optimizer = torch.optim.SGD(list(weights.values()), lr=cooling(0), momentum=0.9)
        done = [0]

        def set_rate(optimizer, *_):
            optimizer.param_groups[0]["lr"] = cooling(done[0])
            done[0] += 1

        optimizer.register_step_pre_hook(set_rate)
        return optimizer

    state_dict, middle, after = torch_run(build, first, gradients)
    tx = ro.chain(ro.clip_by_global_norm(1e3), rt.sgd(cooling, momentum=0.9))
    with jax.enable_x64(True):
        with pytest.raises(ValueError, match=r"pass step="):
            rt.from_torch(state_dict, middle, tx)
        tx, state = rt.from_torch(state_dict, middle, tx, step=BEFORE)
        ours = follow(tx, state, middle, gradients[BEFORE:])
    assert_close(ours, after[BEFORE:])


def test_arrays_are_converted_to_our_layout(torch):
    first, gradients = draw(MATRICES)
    build = optimizer("Adam", lr=0.01)
    state_dict, middle, after = torch_run(build, first, gradients)
    transposed = jax.tree.map(np.transpose, middle)
    with jax.enable_x64(True):
        with pytest.raises(ValueError, match=r"leaf at 'a' has shape \(4, 3\), not \(3, 4\)"):
            rt.from_torch(state_dict, transposed)
        tx, state = rt.from_torch(state_dict, transposed, convert=lambda path, x: x.T)
        ours = follow(
            tx, state, transposed, [jax.tree.map(np.transpose, g) for g in gradients[BEFORE:]]
        )
    assert_close([jax.tree.map(np.transpose, p) for p in ours], after[BEFORE:])


LAYOUTS = {
    "kernel": ((3, 4), (1, 0)),
    "square": ((3, 3), (1, 0)),
    "column": ((3, 1), (1, 0)),
    "row": ((1, 3), (1, 0)),
    "stack": ((2, 3, 4), (0, 2, 1)),
    "as it is": ((2, 4, 3), (0, 1, 2)),
    "batch": ((2, 3, 1, 4), (1, 0, 3, 2)),
    "bias": ((4,), (0,)),
    "one": ((1,), (0,)),
}


def test_adafactors_rows_and_columns_are_converted_to_our_layout(torch):
    first, gradients = draw({name: shape for name, (shape, _) in LAYOUTS.items()})
    state_dict, middle, after = torch_run(optimizer("Adafactor", lr=0.01), first, gradients)

    def convert(path, x):
        shape, order = LAYOUTS[path]
        assert x.shape == shape
        return x.transpose(order)

    def converted(tree):
        return {name: convert(name, np.asarray(x)) for name, x in tree.items()}

    with jax.enable_x64(True):
        params = converted(middle)
        tx, state = rt.from_torch(state_dict, params, names=list(LAYOUTS), convert=convert)
        ours = follow(tx, state, params, map(converted, gradients[BEFORE:]))
    assert_close(ours, list(map(converted, after[BEFORE:])))


@pytest.mark.parametrize(
    ("convert", "message"),
    [
        (lambda path, x: x.transpose(2, 3, 1, 0), r"Adafactor's rows and columns .* 'conv'"),
        (lambda path, x: x, r"row_var of the leaf at 'conv' .* \(4, 3, 2, 1\), not \(2, 2, 3, 1\)"),
    ],
)  # fmt: skip
def test_rows_and_columns_that_the_layout_mixes_are_refused(torch, convert, message):
    first, gradients = draw({"conv": (4, 3, 2, 2)})
    state_dict, middle, _ = torch_run(optimizer("Adafactor", lr=0.01), first, gradients)
    ours = {"conv": middle["conv"].transpose(2, 3, 1, 0)}
    with pytest.raises(ValueError, match=message):
        rt.from_torch(state_dict, ours, convert=convert)


def test_bfloat16_tensors_keep_their_values(torch):
    weight = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    adam = torch.optim.Adam([weight])
    weight.grad = torch.tensor([0.1, 0.2, 0.3], dtype=torch.bfloat16)
    adam.step()
    _, state = rt.from_torch(adam.state_dict(), {"w": jnp.ones(3, jnp.bfloat16)})
    assert state[0].mu["w"].dtype == jnp.bfloat16
    expected = adam.state_dict()["state"][0]["exp_avg"].float().numpy()
    np.testing.assert_array_equal(state[0].mu["w"].astype(jnp.float32), expected)
    assert int(state[0].count) == 1


ADAM = {"lr": 0.1, "betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": False, "weight_decay": 0}
MOMENTS = {"step": np.float32(3), "exp_avg": np.ones(2), "exp_avg_sq": np.ones(2)}
PARAMS = {"u": jnp.ones(2), "v": jnp.ones(2)}


def state_dict(first, second, group=None, members=(0, 1)):
    states = {i: s for i, s in enumerate((first, second)) if s is not None}
    return {"state": states, "param_groups": [(group or ADAM) | {"params": list(members)}]}


@pytest.mark.parametrize(
    ("given", "keywords", "message"),
    [
        (state_dict(MOMENTS, None), {}, r"leaf at 'v' has done no steps, another 3"),
        (
            state_dict(MOMENTS, MOMENTS | {"step": np.float32(2)}), {},
            r"leaf at 'v' has done 2 steps, another 3",
        ),
        (
            state_dict(MOMENTS, {k: MOMENTS[k] for k in ("step", "exp_avg_sq")}), {},
            r"leaf at 'v' lacks exp_avg, which that of another has",
        ),
        (
            state_dict({k: MOMENTS[k] for k in ("step", "exp_avg")}, MOMENTS), {},
            r"leaf at 'u' lacks exp_avg_sq",
        ),
        (
            state_dict(MOMENTS, {k: MOMENTS[k] for k in ("exp_avg", "exp_avg_sq")}), {},
            r"leaf at 'v' lacks step",
        ),
        (
            state_dict({k: MOMENTS[k] for k in ("exp_avg", "exp_avg_sq")}, MOMENTS), {},
            r"leaf at 'u' lacks step",
        ),
        ({"0.weight": np.ones(2)}, {}, r"state_dict\(\) of an optimiser.*got \['0.weight'\]"),
        ({}, {}, r"'state' and 'param_groups', got \[\]"),
        (None, {}, r"'state' and 'param_groups', got NoneType"),
        ({"state": {}, "param_groups": [ADAM]}, {}, r"param_groups\[0\] has no 'params'"),
        (state_dict(MOMENTS, None, members=[0]), {}, r"1 parameters, the tree 2 leaves \(u, v\)"),
        (state_dict(MOMENTS, MOMENTS), {"names": ["u", "w"]}, r"differing: v, w"),
        (state_dict(MOMENTS, MOMENTS), {"names": ["u", "u"]}, r"differing: v"),
        (state_dict(MOMENTS, MOMENTS), {"names": ["u", "v", "v"]}, r"a name is repeated"),
        (state_dict(MOMENTS, MOMENTS), {"tx": rt.sgd()}, r"no place for exp_avg, exp_avg_sq"),
        (state_dict(MOMENTS, MOMENTS), {"tx": rt.adam(amsgrad=True)}, r"needs max_exp_avg_sq"),
        (state_dict(MOMENTS, MOMENTS, ADAM | {"weight_decay": 0.1}), {}, r"Adam's or AdamW's"),
        (state_dict(MOMENTS, MOMENTS, {"lr": 0.1}), {}, r"no optimiser has the hyperparameters"),
        (
            state_dict(
                {"momentum_buffer": np.ones(2)}, {"momentum_buffer": None},
                {"lr": 0.1, "momentum": 0.9, "dampening": 0.5},
            ),
            {}, r"leaf at 'v' has done no steps",
        ),
        (
            state_dict(
                {"momentum_buffer": np.ones(2)}, {"momentum_buffer": np.ones(2)},
                {"lr": 0.1, "momentum": 0.9, "dampening": 0},
            ),
            {"tx": ro.rmsprop(0.1, momentum=0.9)}, r"momentum after the learning rate",
        ),
        (
            state_dict(
                {"momentum_buffer": np.ones(2)}, {"momentum_buffer": np.ones(2)},
                {"lr": 0.1, "momentum": 0.9, "dampening": 0},
            ),
            {"tx": ro.chain(ro.scale(-0.1).named("lr"), ro.chain(ro.trace(0.9).named("mine")))},
            r"momentum after the learning rate",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(given, keywords, message):
    with pytest.raises(ValueError, match=message):
        rt.from_torch(given, PARAMS, **keywords)


def test_complex_moments_are_refused_and_a_complex_momentum_is_not():
    params = {"u": jnp.ones(2, jnp.complex64), "v": jnp.ones(2)}
    with pytest.raises(ValueError, match="leaf at 'u' is complex"):
        rt.from_torch(state_dict(MOMENTS, MOMENTS), params)
    buffer = {"momentum_buffer": np.ones(2) * 1j}
    group = {"lr": 0.1, "momentum": 0.9, "dampening": 0}
    _, state = rt.from_torch(state_dict(buffer, None, group), params)
    np.testing.assert_array_equal(state[0].trace["u"], buffer["momentum_buffer"])
    np.testing.assert_array_equal(state[0].trace["v"], 0)


def test_leaves_that_are_none_are_left_out():
    params = {"u": jnp.ones(2), "frozen": None}
    _, state = rt.from_torch(state_dict(MOMENTS, None, members=[0]), params)
    np.testing.assert_array_equal(state[0].mu["u"], 1)
    assert state[0].mu["frozen"] is None


def test_the_average_of_asgd_equals_pytorchs(torch):
    first, gradients = draw(SHAPES)
    build = optimizer("ASGD", lr=0.01, t0=5, lambd=0.1)
    state_dict, middle, _ = torch_run(build, first, gradients)
    with jax.enable_x64(True):
        tx = rt.asgd(0.01, t0=5, lambd=0.1)
        params, state = jax.tree.map(jnp.asarray, first), tx.init(first)
        for g in gradients[:BEFORE]:
            updates, state = tx.update(jax.tree.map(jnp.asarray, g), state, params)
            params = ro.apply_updates(params, updates)
    for i, key in enumerate(SHAPES):
        ax = state_dict["state"][i]["ax"].numpy()
        np.testing.assert_allclose(state[-1].ax[key], ax, rtol=1e-12, atol=1e-14)
        assert np.max(np.abs(ax - middle[key])) > 1e-3


@pytest.mark.parametrize(
    "hyperparams",
    [
        {"lr": cooling},
        {"lr": 0.01, "eps": (1e-6, 1e-2), "d": 2.0, "maximize": True},
        {"lr": 2.0, "beta2_decay": -0.5, "weight_decay": 0.01},
    ],
)
def test_adafactor_equals_pytorchs(torch, hyperparams):
    first, gradients = draw(SHAPES)
    rate = hyperparams["lr"] if callable(hyperparams["lr"]) else None
    build = optimizer("Adafactor", **hyperparams | ({"lr": 1.0} if rate else {}))
    after = pytorch.trajectory(
        lambda weights: build(dict(enumerate(weights))),
        list(first.values()), [list(g.values()) for g in gradients], rate,
    )  # fmt: skip
    with jax.enable_x64(True):
        tx = rt.adafactor(**hyperparams)
        ours = follow(tx, tx.init(first), first, gradients)
    assert_close(ours, [dict(zip(SHAPES, ps, strict=True)) for ps in after])


@pytest.mark.parametrize("adjust_lr_fn", [None, "match_rms_adamw"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_equals_pytorchs_as_far_as_bfloat16_goes(torch, nesterov, adjust_lr_fn):
    """They round at the same places: usually the same bits, else an order of sums apart."""
    first, gradients = draw(MATRICES, steps=5)
    hyperparams = {
        "lr": 0.02, "weight_decay": 0.1, "nesterov": nesterov, "adjust_lr_fn": adjust_lr_fn,
    }  # fmt: skip
    build = optimizer("Muon", **hyperparams)
    after = pytorch.trajectory(
        lambda weights: build(dict(enumerate(weights))),
        list(first.values()), [list(g.values()) for g in gradients],
    )  # fmt: skip
    with jax.enable_x64(True):
        tx = rt.muon(**hyperparams)
        ours = follow(tx, tx.init(first), first, gradients)
    expected = [dict(zip(MATRICES, ps, strict=True)) for ps in after]
    for key in MATRICES:
        moved = np.linalg.norm(expected[-1][key] - first[key])
        assert np.linalg.norm(ours[-1][key] - expected[-1][key]) < moved / 256


def test_a_run_of_muon_continues(torch):
    first, gradients = draw(MATRICES, steps=BEFORE + 3)
    state_dict, middle, after = torch_run(optimizer("Muon", lr=0.02), first, gradients)
    with jax.enable_x64(True):
        tx, state = rt.from_torch(state_dict, middle)
        ours = follow(tx, state, middle, gradients[BEFORE:])
    assert tx.name == "muon"
    for key in MATRICES:
        moved = np.linalg.norm(after[-1][key] - middle[key])
        assert np.linalg.norm(ours[-1][key] - after[-1][key]) < moved / 256


@pytest.mark.parametrize("adjust_lr_fn", [None, "match_rms_adamw"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_in_float64_equals_the_singular_value_decomposition(nesterov, adjust_lr_fn):
    first, gradients = draw(MATRICES, steps=20)
    direction = torch_formulas.muon(0.9, nesterov, match_rms=adjust_lr_fn is not None)
    with jax.enable_x64(True):
        tx = rt.muon(0.1, 0.0, 0.9, nesterov, adjust_lr_fn=adjust_lr_fn, ns_dtype=None)
        ours = follow(tx, tx.init(first), first, gradients)
    params = list(first.values())
    for t, g in enumerate(gradients):
        updates = direction(list(g.values()), params, t + 1)
        params = [p - 0.1 * u for p, u in zip(params, updates, strict=True)]
    assert_close(ours[-1:], [dict(zip(MATRICES, params, strict=True))], 1e-11)


def test_muon_refuses_what_is_not_a_matrix():
    with pytest.raises(ValueError, match=r"leaf at 'c' has shape \(2, 2, 3, 4\)"):
        rt.muon().init({key: jnp.ones(SHAPES[key]) for key in "ac"})


def test_refusals_that_are_not_of_one_range():
    with pytest.raises(ValueError, match=r"nesterov needs a momentum"):
        rt.sgd(nesterov=True)
    with pytest.raises(ValueError, match=r"nesterov needs .* dampening=0\.1"):
        rt.sgd(momentum=0.9, dampening=0.1, nesterov=True)
    with pytest.raises(TypeError, match=r"rprop: lr must be a number"):
        rt.rprop(cooling)
    with pytest.raises(ValueError, match=r"adjust_lr_fn must be one of"):
        rt.muon(adjust_lr_fn="none")


def test_a_centred_variance_that_rounds_below_zero_gives_a_number():
    tx = rt.rmsprop(0.1, alpha=0.5, eps=1e-3, centered=True)
    params = jnp.zeros(64)
    g = jnp.linspace(0.1, 7.7, 64)
    state = tx.init(params)
    for _ in range(40):
        updates, state = tx.update(g, state, params)
        assert np.all(np.isfinite(updates))


def test_betas_may_be_traced():
    def size(beta):
        tx = rt.adam(betas=(beta, 0.9))
        return tx.update(jnp.ones(2), tx.init(jnp.ones(2)))[0].sum()

    np.testing.assert_allclose(jax.jit(size)(0.5), size(0.5), rtol=1e-6)


def test_pytorch_is_not_imported():
    code = "import sys; sys.modules['torch'] = None\nimport regopt_jax, regopt_jax.interop.torch\n"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
