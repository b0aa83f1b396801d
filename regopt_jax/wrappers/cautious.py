"""Cautious updates: only where they agree with the gradient."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import (
    Array,
    GradientTransformation,
    PyTree,
    arithmetic,
    as_transformation,
    matching,
    wrap,
)
from regopt_jax._core.decorator import transformation
from regopt_jax._core.modes import Mode, Then
from regopt_jax._core.nature import SIZING
from regopt_jax.transforms.norms import scaled


@transformation()
def cautious(
    inner: optax.GradientTransformation, *, descent: bool | None = None
) -> GradientTransformation:
    r"""Zero the elements of an update that disagree with the gradient, and rescale the others.

    .. math:: φ = [u \cdot g > 0], \qquad u ← u\, φ / \max(\operatorname{mean}(φ), 10^{-3})

    with the mean over each array. Decoupled weight decay belongs outside, after it.

    Args:
      inner: ours or Optax's; the state is its own.
      descent: whether its updates are steps, which agree where :math:`u \cdot g < 0`,
        rather than directions before the learning rate; ``None`` to see from its parts
        whether one of them sets the step size.

    Raises:
      ValueError: ``descent`` is ``None`` and a part is not one of ours.

    Liang et al., *Cautious optimizers: improving training with one line of code*,
    arXiv 2411.16085; the rescaling is that of the authors' code.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.chain(cautious(ro.trace(0.9)), ro.scale_by_learning_rate(0.5))
    >>> state = tx.init(jnp.zeros(2))
    >>> for g in ([1.0, 1.0], [1.0, -0.5]):
    ...     u, state = tx.update(jnp.array(g), state)
    >>> [round(x, 4) for x in u.tolist()]
    [-1.9, -0.0]
    """
    part = as_transformation(inner)
    if descent is None and "unknown" in part.roles:
        raise ValueError(
            f"cautious: {part!r} does not say whether its updates are steps or directions; "
            "pass descent=True or descent=False."
        )
    steps = not part.roles.isdisjoint(SIZING)
    towards = -1 if (steps if descent is None else descent) else 1

    @jax.jit
    def agreeing(u: Array, g: Array) -> Array:
        agrees = towards * (jnp.sign(u) * jnp.sign(g).conj()).real > 0
        share = jnp.mean(agrees, dtype=arithmetic.at_least_float32(u).real.dtype)
        return jnp.where(agrees, scaled(u, 1 / jnp.maximum(share, 1e-3)), 0)

    def of_trees(out: PyTree, updates: PyTree) -> PyTree:
        return matching.map_leaves("cautious", agreeing, out, gradients=updates)

    def run(mode: Mode, updates: PyTree, state: Any, params: Any, extra: Any) -> tuple[Any, Any]:
        return part.run(Then(of_trees, (updates,), mode), updates, state, params, extra)

    return wrap(part, run=run, mixes=True)
