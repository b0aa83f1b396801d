"""Looking inside: what a chain is, what is in force in it, and pictures of what it does."""

from regopt_jax._core import names
from regopt_jax.inspect.curves import (
    plot_bars as plot_bars,
    plot_curves as plot_curves,
    plot_grid as plot_grid,
    plot_scatter as plot_scatter,
    plot_spread as plot_spread,
)
from regopt_jax.inspect.describe import Description as Description, describe as describe
from regopt_jax.inspect.hyperparams import (
    hyperparams as hyperparams,
    learning_rate as learning_rate,
)
from regopt_jax.inspect.plots import (
    plot_constraint as plot_constraint,
    plot_path as plot_path,
    plot_weights as plot_weights,
)
from regopt_jax.inspect.surfaces import (
    plot_contours as plot_contours,
    plot_schedule as plot_schedule,
    plot_trajectory as plot_trajectory,
)

names.suggest(__name__)
