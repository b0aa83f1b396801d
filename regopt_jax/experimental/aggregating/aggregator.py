"""Transformations that get the gradient of each example."""

from optax.experimental import aggregating

from regopt_jax._core.protocol import GradientTransformation


class Aggregator(GradientTransformation, aggregating.Aggregator):
    """A pair ``(init, update)`` whose ``update`` gets one gradient for each example of a batch.

    Its arrays have one axis more than the parameters, or several; what comes out has none.
    """


def as_aggregator(tx: GradientTransformation) -> Aggregator:
    """The same transformation, which says of itself that it gets the gradient of each example."""
    new = Aggregator(*tx, nature=tx.nature, made=tx.made, run=tx._run)
    new.built = tx.built
    return new
