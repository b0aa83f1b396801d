"""Single gradients changed, aggregated, and handed to an optimiser."""

from collections.abc import Mapping
from typing import Any

import optax
from optax.experimental import aggregating

from regopt_jax._core import GradientTransformation, PyTree, as_transformation, transformation, wrap
from regopt_jax._core.modes import Mode, run_if
from regopt_jax._core.nature import Change, Lens
from regopt_jax.experimental.aggregating.aggregator import as_aggregator


@transformation()
def process(
    preprocessor: optax.GradientTransformation,
    aggregator: optax.GradientTransformation,
    postprocessor: optax.GradientTransformation,
    aggregator_has_aux: bool = False,
) -> GradientTransformation:
    r"""Change each gradient, aggregate them, and run an optimiser on the aggregate.

    .. math:: u = \mathrm{post}(\mathrm{aggregate}(\mathrm{pre}(g_1, …, g_B)))

    Where the aggregator's state has a field ``ready``, the optimiser runs when that is true; the
    step is held back otherwise.

    Args:
      preprocessor: of the gradients of the single examples.
      aggregator: makes one update of them, or of those of several calls.
      postprocessor: the optimiser of the aggregate; what ``regularize`` or ``describe`` look into.
      aggregator_has_aux: the aggregator returns a pair ``(updates, extra_args)``, of which the
        latter go to the optimiser.

    Returns:
      The transformation, an :class:`Aggregator` if ``aggregator`` is one.

    As in Optax.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> from regopt_jax.experimental import aggregating
    >>> mean = aggregating.average_per_element_updates()
    >>> tx, w = aggregating.process(ro.clip(1.0), mean, ro.sgd(0.5)), jnp.array(0.0)
    >>> float(tx.update(jnp.array([0.5, 7.0]), tx.init(w))[0])
    -0.375
    """
    before, middle, part = map(as_transformation, (preprocessor, aggregator, postprocessor))

    def init(params: PyTree) -> tuple[Any, Any, Any]:
        return before.init(params), middle.init(params), part.init(params)

    def run(
        mode: Mode, updates: PyTree, state: Any, params: PyTree | None, extra: Mapping[str, Any]
    ) -> tuple[Any, tuple[Any, Any, Any]]:
        first, second, third = state
        changed, first = before.update(updates, first, params, **extra)
        aggregate, second = middle.update(changed, second, params, **extra)
        if aggregator_has_aux:
            aggregate, more = aggregate
            extra = {**extra, **more}
        ready = optax.tree.get(second, "ready", True)
        if ready is True:
            out, third = part.run(mode, aggregate, third, params, extra)
        else:
            out, third = run_if(ready, part, mode, aggregate, third, params, extra)
        return out, (first, second, third)

    def edit(change: Change) -> GradientTransformation:
        return process(preprocessor, aggregator, change(part), aggregator_has_aux)

    lens = Lens(lambda state: (state[2],), lambda state, new: (*state[:2], *new))
    made = wrap(part, init=init, run=run, lens=lens, mixes=True, holds=True, edit=edit)
    return as_aggregator(made) if isinstance(aggregator, aggregating.Aggregator) else made
