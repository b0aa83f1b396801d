"""Each experiment, small: what it returns is what it says it measures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro

pytest.importorskip("sklearn")

from regopt_jax.demo.experiments import decay, fit, geometry, moments, ravine, schedules, speed
from regopt_jax.demo.experiments.descend import quadratic, steps_until, trajectory
from regopt_jax.demo.experiments.effects import effect, ratio_of_percentiles, slope


@pytest.fixture(scope="module")
def task():
    return fit.digits(300)


def test_effect_is_the_mean_and_spread_over_seeds():
    found = effect(jnp.array([1.0, 2.0, 3.0]))
    assert found == (2.0, 1.0, 3)
    assert str(found) == "2 ± 1 (3 seeds)"


def test_slope_and_unevenness():
    x = jnp.array([1.0, 10.0, 100.0])
    np.testing.assert_allclose(slope(x, jnp.stack([x**0.5, 7 * x])), [0.5, 1.0], rtol=1e-6)
    assert ratio_of_percentiles(jnp.linspace(0.0, 100.0, 101)) == pytest.approx(9.0)


def test_digits_are_split_without_overlap():
    task = fit.digits(300)
    rows = np.concatenate([images.x for images in task])
    assert len(rows) == 1797
    assert len(np.unique(rows, axis=0)) == 1797
    assert all(set(np.asarray(images.y).tolist()) == set(range(10)) for images in task)


def test_only_training_labels_are_flipped():
    clean, noisy = fit.digits(300), fit.digits(300, flipped=0.5)
    assert 0.3 < np.mean(clean.train.y != noisy.train.y) < 0.6  # a tenth are drawn right again
    np.testing.assert_array_equal(clean.train.x, noisy.train.x)
    np.testing.assert_array_equal(clean.test.y, noisy.test.y)
    np.testing.assert_array_equal(clean.validation.y, noisy.validation.y)


def test_fit_learns_and_gives_every_setting_the_same_batches(task):
    done = fit.fit(ro.adam, jnp.array([0.0, 1e-2]), task, seeds=2, steps=60)
    assert done.losses.shape == (2, 2, 60)
    np.testing.assert_allclose(done.losses[0, :, 0], done.losses[1, :, 0], rtol=1e-6)
    assert (done.train_loss[1] < 0.3 * done.train_loss[0]).all()
    assert (done.test[1] > 0.7).all()
    assert (done.test[0] < 0.3).all()
    start = fit.init(1)["hidden"]["kernel"]
    np.testing.assert_array_equal(done.params["hidden"]["kernel"][0, 1], start)
    assert fit.part(done, 1).test.shape == (2,)


def test_a_schedule_as_a_table_trains_alike(task):
    schedule = ro.cosine_decay_schedule(0.1, 20)
    rows = fit.table(schedule, 20)[None]
    looked_up = fit.fit(lambda t: ro.sgd(fit.from_table(t)), rows, task, seeds=2, steps=20)
    direct = fit.fit(lambda _: ro.sgd(schedule), jnp.zeros(1), task, seeds=2, steps=20)
    np.testing.assert_allclose(looked_up.losses, direct.losses, rtol=1e-5)


def test_replay_makes_the_updates_of_the_run(task):
    tx = ro.adam(1e-2)
    recorded = fit.record(tx, task, seeds=2, steps=8)
    updates = fit.kernels(fit.replay(tx, recorded))
    moves = jnp.diff(fit.kernels(recorded.params), axis=1)
    np.testing.assert_allclose(moves, updates[:, :-1], atol=1e-6)
    assert updates.shape == (2, 8, 64 * fit.WIDTH + fit.WIDTH * 10)


def test_best_ignores_runs_that_failed():
    assert fit.best(np.array([[0.9, 0.8], [np.nan, 1.0], [0.95, 0.9]])) == (2,)
    assert fit.best(np.array([[[0.1], [0.2]], [[0.5], [0.3]]])) == (1, 0)


def test_descending_a_quadratic():
    loss = quadratic(jnp.array([0.5, 1.0]))
    points = trajectory(ro.sgd(1.0), loss, jnp.array([8.0, 1.0]), 3)
    np.testing.assert_allclose(points, [[8.0, 1.0], [4.0, 0.0], [2.0, 0.0], [1.0, 0.0]])

    def steps(limit):
        start = jnp.array([8.0, 1.0])
        return int(steps_until(ro.sgd(1.0), loss, start, lambda w: w[0] <= 2.5, limit))

    assert steps(10) == 2
    assert steps(1) == 1


def test_corners():
    found = geometry.corners(seeds=2, problems=50)
    assert found.l1.shape == (2, 50)
    assert 0.3 < found.l1.mean() < 0.75
    assert not found.l2.any()


def test_evenness():
    w = jnp.array([[1.0, -1.0, 1.0, 1.0], [0.0, 0.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    np.testing.assert_allclose(geometry.evenness(w), [1.0, 0.25, np.nan])


def test_l2_shares_between_copies_and_l1_picks():
    found = geometry.copies(seeds=3, strengths=(1e-3, 0.3))
    even = {
        name: geometry.evenness(w).mean(axis=0) for name, w in (("l1", found.l1), ("l2", found.l2))
    }
    assert even["l1"][1] < even["l1"][0] - 0.1
    assert even["l2"][1] > even["l2"][0] + 0.05
    assert (found.l1_loss[:, 1] > found.l1_loss[:, 0]).all()
    assert (found.l1[:, 1] == 0).any()
    assert not (found.l2 == 0).any()


def test_only_the_proximal_map_gives_exact_zeros(task):
    found = geometry.shrinkage(task, seeds=2, steps=150, l1=3e-3, l2=3e-2)
    zeros = {name: float(row.zeros.min()) for name, row in found.items()}
    assert zeros["L1 proximal"] > 0.1
    assert zeros["none"] == zeros["L2"] == zeros["L1 in the loss"] == 0
    assert (found["L2"].norm < 0.8 * found["none"].norm).all()
    assert (found["none"].test > 0.8).all()


def test_l2_improves_the_conditioning(task):
    found = geometry.conditioning(task, strengths=(0.0, 0.1), seeds=2, images=250)
    (k0, k1), (s0, s1) = found.condition.mean(axis=0), found.steps.mean(axis=0)
    assert k1 < k0 / 3
    assert 0.5 < (s0 / s1) / (k0 / k1) < 2
    assert (found.test > 0.7).all()


def test_coefficients_are_those_of_scikit_learn():
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Lasso

    found = geometry.coefficients(count=7)
    x, y = load_diabetes(return_X_y=True)
    x, y = (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()
    peer = Lasso(alpha=float(found.strengths[2]), tol=1e-10).fit(x, y)
    np.testing.assert_allclose(found.l1[2], peer.coef_, atol=1e-4)
    assert (found.l1[0] == 0).all()
    assert not (found.l2 == 0).any()


def test_sgd_crosses_the_valley_above_half_of_the_largest_rate():
    found = ravine.oscillation(seeds=3)
    flips = found.flips.mean(axis=1)
    np.testing.assert_array_equal(flips[found.rates < 0.5], 0.0)
    np.testing.assert_array_equal(flips[found.rates > 0.5], 1.0)
    assert (found.loss[-2] < found.loss[0]).all()
    assert (found.detour >= 1 - 1e-5).all()


def test_the_ways_and_their_steps():
    straight = ravine.ravine_ways(1000.0, seeds=4, steps=1500)
    turned = ravine.ravine_ways(1000.0, seeds=4, steps=1500, turned=True)
    for way in straight.values():
        for losses, needed in zip(way.losses, way.needed, strict=True):
            assert (losses[int(needed) :] <= 0.01).all()
            assert losses[int(needed) - 1] > 0.01
    mean = {name: float(way.needed.mean()) for name, way in straight.items()}
    assert mean["momentum"] < mean["sgd"] / 3
    np.testing.assert_allclose(turned["sgd"].needed, straight["sgd"].needed, rtol=0.01)
    for name in ("rmsprop", "adam"):
        assert turned[name].needed.mean() > 1.5 * mean[name]


def test_momentum_takes_the_root_of_the_steps():
    found = ravine.convergence((10.0, 100.0, 1000.0), seeds=2)
    power = {
        name: slope(found.conditions, steps.astype(jnp.float32)).mean()
        for name, steps in found.steps.items()
    }
    assert power["sgd"] == pytest.approx(1.0, abs=0.1)
    assert power["momentum"] == pytest.approx(0.5, abs=0.1)


def test_rmsprop_evens_out_scales(task):
    found = moments.scales(task, seeds=2, steps=60)
    assert (found.uneven["rmsprop"] < 0.5 * found.uneven["sgd"]).all()
    assert (found.uneven["momentum"] > 0.5 * found.uneven["sgd"]).all()


def test_steps_without_bias_correction(task):
    found = moments.bias_correction(task, seeds=2, steps=30, rates=(3e-2,))
    both, neither, half = found.sizes.values()
    np.testing.assert_allclose(neither[:, 0] / both[:, 0], 0.1 / 0.001**0.5, rtol=1e-3)
    np.testing.assert_allclose(half[:, 0] / both[:, 0], 1 / 0.001**0.5, rtol=1e-3)
    loss = {name: float(f.train_loss.mean()) for name, f in found.fits.items()}
    assert loss["both corrected"] < loss["neither corrected"] < loss["only the mean corrected"]


def test_only_adamw_decays_evenly(task):
    found = decay.unevenness(task, seeds=2, steps=60)
    measured = np.asarray(found.decay["adamw"])
    np.testing.assert_allclose(measured[np.isfinite(measured)], 1, atol=0.02)
    assert (found.uneven["adam + L2"] > 3).all()
    assert (found.correlation["adam + L2"] < -0.9).all()


def test_the_grid_of_rates_and_decays(task):
    found = decay.grid(task, rates=(1e-3, 1e-2), decays=(0.0, 0.3), seeds=2, steps=60)
    coupled, adamw = found.fits["adam + L2"], found.fits["adamw"]
    assert coupled.test.shape == (2, 2, 2)
    np.testing.assert_allclose(coupled.losses[:, 0], adamw.losses[:, 0], rtol=1e-3, atol=1e-4)
    assert (coupled.train_loss[:, 1] > adamw.train_loss[:, 1]).all()
    assert (adamw.train_loss[1] < adamw.train_loss[0]).all()


def test_every_schedule_in_one_program(task):
    found = schedules.compare(task, peaks=(0.0, 0.05), seeds=2, steps=40, batch_size=32)
    assert list(found.fits) == list(schedules.shapes(1.0, 40))
    first = [f.losses[:, :, 0] for f in found.fits.values()]
    for losses in first:
        np.testing.assert_allclose(losses, first[0], rtol=1e-6)
    for f in found.fits.values():
        assert (f.train_loss[1] < 0.7 * f.train_loss[0]).all()
    step, constant = (found.fits[name].losses[1] for name in ("step", "constant"))
    np.testing.assert_allclose(step[:, :15], constant[:, :15], rtol=1e-5)  # until the drop at 14
    assert (jnp.abs(step - constant)[:, 16:].max(axis=-1) > 0.01).all()


def test_schedules_stay_below_their_peak():
    for name, schedule in schedules.shapes(0.5, 60).items():
        values = fit.table(schedule, 60)
        assert values.max() == pytest.approx(0.5, rel=1e-6), name
        assert (name == "constant") == (values[-1] == 0.5)


def test_warmup_steadies_a_large_batch(task):
    found = schedules.warmup(
        task, peaks=(0.05, 1.6), batch_sizes=(300,), shares=(0.0, 0.2), seeds=4, steps=200
    )
    without, with_warmup = found.fits[300, 0.0], found.fits[300, 0.2]
    assert with_warmup.train_loss[1].mean() < 0.1 * without.train_loss[1].mean()
    assert with_warmup.losses[1].max() < without.losses[1].max()
    np.testing.assert_allclose(with_warmup.train_loss[0], without.train_loss[0], rtol=0.2)


def test_defaults_are_tuned_on_validation_images(task, monkeypatch):
    monkeypatch.setattr(schedules, "OPTIMIZERS", {"adamw": schedules.OPTIMIZERS["adamw"]})
    found = schedules.defaults(task, factors=(0.0, 1.0), seeds=2, steps=40)
    assert list(found.fits) == [("adamw", "constant"), ("adamw", "warmup-cosine")]
    for name, accuracies in found.tuned().items():
        np.testing.assert_array_equal(accuracies, found.fits[name].test[1])
        assert (accuracies > 0.7).all()


def test_calls_are_timed_in_turn_and_the_first_not_counted():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "ab"}
    times = speed.interleave(calls, rounds=3)
    assert order == list("abababab")
    assert {name: each.shape for name, each in times.items()} == {"a": (3,), "b": (3,)}


def test_a_deep_network_trains_alike_packed(task):
    tx, params = ro.adamw(1e-3), speed.deep_network(6, width=8)
    assert len(jax.tree.leaves(params)) == 14
    states = {}
    for pack in (False, True):
        step = ro.train_step(speed.deep_loss, tx, pack=pack)
        call = speed.repeated(step, ro.TrainState.create(params, tx), *task.train)
        states[pack] = [call().unpack() for _ in range(10)][-1]
    assert int(states[True].step) == 10
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), *states.values())
    assert speed.deep_loss(states[True].params, *task.train) < speed.deep_loss(params, *task.train)


def test_memory_is_in_units_of_the_parameters():
    shapes = {"w": jax.ShapeDtypeStruct((64, 64), jnp.float32)}
    given = speed.memory(ro.adam(1e-3), shapes)
    kept = speed.memory(ro.adam(1e-3), shapes, donate=False)
    assert given.fresh < 0.1
    assert kept.fresh == pytest.approx(3, abs=0.1)
    assert kept.temporary == pytest.approx(given.temporary, abs=0.1)


def test_an_optimiser_alone_takes_one_step_a_call():
    call = speed.updating(ro.sgd(1.0), {"w": jnp.ones(3)})
    for _ in range(2):
        params, _ = call()
    np.testing.assert_allclose(params["w"], 0.8)
