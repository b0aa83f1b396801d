"""Gradients without their mean."""

import jax.numpy as jnp

from regopt_jax._core import Array, GradientTransformation, leafwise, transformation, unit_metric
from regopt_jax._core.arithmetic import at_least_float32


@transformation()
def centralize() -> GradientTransformation:
    r"""Subtract from each array its mean over all axes but the first.

    .. math:: u_{i\ldots} = g_{i\ldots} - \operatorname{mean}(g_{i\ldots})

    Arrays with fewer than two axes pass.

    Yong et al., *Gradient centralization*, arXiv 2004.01461.

    >>> import jax.numpy as jnp
    >>> tx, g = centralize(), jnp.array([[1.0, 2.0, 3.0], [4.0, 5.0, 9.0]])
    >>> tx.update(g, tx.init(g))[0].tolist()
    [[-1.0, 0.0, 1.0], [-2.0, -1.0, 3.0]]
    """

    def update(g: Array) -> Array:
        if g.ndim < 2:
            return g
        mean = jnp.mean(at_least_float32(g), tuple(range(1, g.ndim)), keepdims=True)
        return g - mean.astype(g.dtype)

    return leafwise(update, role="gradient", metric=unit_metric, elementwise=False)
