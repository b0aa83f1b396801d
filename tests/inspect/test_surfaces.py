"""What is drawn is what was given."""

import jax.numpy as jnp
import numpy as np
import pytest

import regopt_jax as ro
from regopt_jax.inspect.colors import OPTIMIZERS, PALETTE, SCHEDULES, color_of, colors_of
from regopt_jax.inspect.curves import plot_bars, plot_curves, plot_grid, plot_scatter, plot_spread
from regopt_jax.inspect.surfaces import plot_contours, plot_schedule, plot_trajectory

plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _closed():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_schedule_is_drawn_at_its_steps():
    ax = plot_schedule(ro.linear_schedule(1.0, 0.0, 10), 11)
    x, y = ax.lines[0].get_data()
    np.testing.assert_array_equal(x, np.arange(11))
    np.testing.assert_allclose(y, np.linspace(1, 0, 11), atol=1e-6)
    assert ax.get_legend() is None
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "learning rate")


def test_a_long_schedule_is_thinned_but_keeps_its_ends():
    x, y = plot_schedule(ro.linear_schedule(1.0, 0.0, 10**6), 10**6 + 1).lines[0].get_data()
    assert len(x) <= 2000
    assert (x[0], x[-1]) == (0, 10**6)
    assert y[-1] == 0


def test_named_schedules_have_their_colours_and_a_legend():
    shapes = {"cosine": ro.cosine_decay_schedule(1.0, 10), "constant": ro.constant_schedule(0.5)}
    ax = plot_schedule(shapes, 10, ylabel="decay")
    assert legend(ax) == ["cosine", "constant"]
    assert [line.get_color() for line in ax.lines] == [SCHEDULES["cosine"], SCHEDULES["constant"]]
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), 0.5)
    assert ax.get_ylabel() == "decay"
    assert ax.get_ylim()[0] == 0


def test_plots_draw_on_the_axes_they_are_given():
    _, ax = plt.subplots()
    loss = lambda w: jnp.sum(w**2)  # noqa: E731
    assert plot_contours(loss, (-1, 1), (-2, 2), ax=ax) is ax
    assert plot_trajectory(np.zeros((3, 2)), ax=ax) is ax
    assert plot_schedule(ro.constant_schedule(1.0), 5, ax=ax) is ax
    assert plot_curves({"sgd": [1.0, 2.0]}, ax=ax) is ax
    assert plot_grid([[1.0]], [0], [0], ax=ax) is ax
    assert plot_spread({"sgd": [1.0]}, ax=ax) is ax
    assert plot_scatter({"sgd": ([1.0], [1.0])}, xlabel="x", ylabel="y", ax=ax) is ax
    assert len(plt.get_fignums()) == 1


def test_contours_are_where_the_loss_has_their_level():
    ax = plot_contours(lambda w: w[0] ** 2 + 4 * w[1] ** 2, (-2, 2), (-1, 1), levels=[1.0])
    (path,) = ax.collections[0].get_paths()
    x, y = path.vertices.T
    np.testing.assert_allclose(x**2 + 4 * y**2, 1, atol=1e-3)
    assert np.ptp(x) == pytest.approx(2, abs=1e-2)
    assert (ax.get_xlim(), ax.get_ylim()) == ((-2, 2), (-1, 1))


def test_a_number_of_levels():
    ax = plot_contours(lambda w: jnp.sum(w**2), (-1, 1), (-1, 1), levels=5)
    assert len(ax.collections[0].get_paths()) == 5


def test_trajectories_mark_start_and_minimum():
    points = np.array([[1.0, 2.0], [0.5, 0.5], [0.0, 0.1]])
    ax = plot_trajectory({"adam": points, "sgd": points + 1}, minimum=[0.0, 0.0])
    assert legend(ax) == ["adam", "sgd", "minimum"]
    way, start = ax.lines[:2]
    np.testing.assert_array_equal(np.transpose(way.get_data()), points)
    np.testing.assert_array_equal(np.ravel(start.get_data()), points[0])
    assert way.get_color() == start.get_color() == OPTIMIZERS["adam"]
    np.testing.assert_array_equal(np.ravel(ax.lines[-1].get_data()), [0, 0])


def test_a_trajectory_without_a_name_has_no_legend():
    assert plot_trajectory(np.zeros((2, 2))).get_legend() is None


def test_a_legend_is_outside_the_data():
    ax = plot_trajectory({"sgd": np.zeros((2, 2))})
    ax.figure.canvas.draw()
    assert ax.get_legend().get_window_extent().x0 >= ax.get_window_extent().x1


def test_one_colour_for_each_name():
    assert color_of("adam, at a rate of 0.1") == color_of("adam") == OPTIMIZERS["adam"]
    assert color_of("adam + L2") != color_of("adam")
    others = {name: c for name, c in OPTIMIZERS.items() if name != "recommended"}
    assert len(set(others.values())) == len(others)
    assert len(set(SCHEDULES.values())) == len(SCHEDULES)


def test_a_new_name_gets_a_colour_that_no_other_of_the_figure_has():
    assert color_of("mine", 1) == color_of("adam")
    for names in (["adam", "mine"], ["mine", "adamw"], ["sgd", "mine", "adam", "yours"]):
        found = colors_of(names)
        assert len(set(found)) == len(names)
        assert [c for n, c in zip(names, found, strict=True) if n in OPTIMIZERS] == [
            OPTIMIZERS[n] for n in names if n in OPTIMIZERS
        ]
    assert colors_of("abcdefg") == list(PALETTE)
    assert len(colors_of(map(str, range(20)))) == 20
    ax = plot_trajectory({"adam": np.zeros((2, 2)), "mine": np.ones((2, 2))})
    assert len({line.get_color() for line in ax.lines}) == 2


def test_bars_are_medians_with_quartiles():
    ax = plot_bars({"one": 2.0, "many": [1.0, 2.0, 3.0, 4.0, 100.0]}, xlabel="ms", reference=1.0)
    assert [bar.get_width() for bar in ax.patches] == [2.0, 3.0]
    quartiles, reference = ax.lines
    np.testing.assert_array_equal(quartiles.get_xdata(), [2.0, 4.0])
    np.testing.assert_array_equal(reference.get_xdata(), [1.0, 1.0])
    assert ax.get_xlim()[1] > 4.0


def test_curves_are_means_in_bands_and_smoothed():
    values = np.array([[1.0, 3.0, 5.0, 7.0], [3.0, 5.0, 7.0, 9.0]])
    ax = plot_curves({"sgd": values}, [0, 10, 20, 30], smooth=2)
    x, y = ax.lines[0].get_data()
    np.testing.assert_array_equal(x, [10, 20, 30])
    np.testing.assert_allclose(y, [3.0, 5.0, 7.0])
    band = ax.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (2.0, 8.0)
    assert len(plot_curves({"sgd": values[0]}).collections) == 0


def test_curves_of_one_colour_differ_in_style():
    ax = plot_curves({"sgd, constant": [1.0, 2.0], "sgd, cosine": [2.0, 1.0], "adam": [0.0, 0.0]})
    assert [line.get_linestyle() for line in ax.lines] == ["-", "--", "-"]


def test_a_grid_frames_its_best_cell():
    ax = plot_grid([[0.1, 0.9], [np.nan, 0.2]], [0.1, 1.0], [0, 5], format_spec=".1f")
    assert [text.get_text() for text in ax.texts] == ["0.1", "0.9", "nan", "0.2"]
    assert ax.patches[-1].get_xy() == (0.5, -0.5)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0.1", "1"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "5"]


def test_a_spread_has_a_dot_for_each_seed_and_a_bar_at_the_mean():
    ax = plot_spread({"sgd": [0.8, 0.9], "adam": [1.0, 1.0]})
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0.8, 0.9])
    np.testing.assert_allclose(ax.lines[1].get_xdata(), 0.85)
    assert ax.yaxis_inverted()
