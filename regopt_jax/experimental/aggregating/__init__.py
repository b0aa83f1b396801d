"""Updates made of the gradients of single examples, and of the batches of several calls.

An :class:`Aggregator` gets one gradient for each example of a batch, as from
``jax.vmap(jax.grad(loss), (None, 0))``, and returns one update. :func:`process` puts it between
what changes the single gradients (clipping) and the optimiser of the aggregate.
"""

from optax.experimental import aggregating as _theirs

from regopt_jax.experimental.aggregating.aggregator import Aggregator as Aggregator
from regopt_jax.experimental.aggregating.averages import (
    accumulate_avg_updates as accumulate_avg_updates,
    average_incrementally_updates as average_incrementally_updates,
    average_per_element_updates as average_per_element_updates,
)
from regopt_jax.experimental.aggregating.examples import (
    get_batch_size_from_per_elt_updates as get_batch_size_from_per_elt_updates,
)
from regopt_jax.experimental.aggregating.process import process as process
from regopt_jax.experimental.aggregating.squares import (
    get_per_element_mean_and_sum_sq_diff_grads as get_per_element_mean_and_sum_sq_diff_grads,
)
from regopt_jax.experimental.aggregating.variances import (
    add_mean_variance_to_opt as add_mean_variance_to_opt,
    get_unbiased_mean_and_variance_ema as get_unbiased_mean_and_variance_ema,
    track_per_element_mean_and_variance_with_ema as track_per_element_mean_and_variance_with_ema,
)

AccumulateAvgUpdatesState = _theirs.AccumulateAvgUpdatesState
AggregatedUpdates = _theirs.AggregatedUpdates
AggregatorUpdateFn = _theirs.AggregatorUpdateFn
MaybeAxis = _theirs.MaybeAxis
PerElementMeanAndSumSqDiffGradsState = _theirs.PerElementMeanAndSumSqDiffGradsState
PerElementMeanAndVarianceEMAState = _theirs.PerElementMeanAndVarianceEMAState
PerElementUpdates = _theirs.PerElementUpdates
