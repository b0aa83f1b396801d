"""The diagonal of the Hessian, estimated with random signs."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax.contrib import HutchinsonState as HutchinsonState

from regopt_jax._core import (
    Array,
    GradientTransformation,
    Step,
    leafwise,
    matching,
    transformation,
    trees,
)


@transformation()
def hutchinson_estimator_diag_hessian(random_seed: Array | None = None) -> GradientTransformation:
    r"""Replace the gradient by an estimate of the Hessian's diagonal, from one product with it.

    .. math:: \hat h = z ⊙ H z, \qquad z_i = ±1, \quad \mathbb E\, \hat h = \operatorname{diag} H

    ``update`` needs the parameters and, as the extra argument ``obj_fn``, the loss as a function
    of the parameters alone: ``tx.update(grads, state, params, obj_fn=lambda w: loss(w, batch))``.

    Args:
      random_seed: a key of ``jax.random``; that of the seed 0 when ``None``.

    Raises:
      TypeError: ``random_seed`` is no key; (from ``init``) complex parameters, by path.
      ValueError: (from ``update``) no parameters or no ``obj_fn``.

    Hutchinson, *A stochastic estimator of the trace of the influence matrix*, 1990; Bekas,
    Kokiopoulou & Saad, *An estimator for the diagonal of a matrix*, 2007.

    >>> import jax.numpy as jnp
    >>> tx, w = hutchinson_estimator_diag_hessian(), jnp.array([1.0, 2.0])
    >>> tx.update(w, tx.init(w), w, obj_fn=lambda w: jnp.sum(w**3))[0].tolist()
    [6.0, 12.0]
    """
    name = "hutchinson_estimator_diag_hessian"

    if random_seed is not None and not _is_key(random_seed):
        raise TypeError(f"{name}: random_seed must be a key of jax.random, got {random_seed!r}.")

    def products(step: Step) -> list[Any]:
        """z and H z of each leaf."""
        obj_fn = step.extra.get("obj_fn")
        if obj_fn is None:
            raise ValueError(
                f"{name}: the loss is needed as a function of the parameters; "
                "call update(updates, state, params, obj_fn=...)."
            )
        params = jax.tree.map(jnp.asarray, step.params)
        key = jax.random.split(step.state.key)[1]
        signs = optax.tree.random_like(key, params, jax.random.rademacher, dtype=jnp.float32)
        signs = jax.tree.map(lambda z, p: z.astype(p.dtype), signs, params)
        _, hessian = jax.jvp(jax.grad(obj_fn), (params,), (signs,))
        return list(zip(trees.flatten(signs)[0], trees.flatten(hessian)[0], strict=True))

    def update(g: Array, p: Array, own: tuple[Array, Array]) -> Array:
        z, product = own
        return z * product

    return leafwise(
        update,
        role="unknown",
        state=HutchinsonState,
        each=products,
        scalars={
            "key": lambda params: jax.random.PRNGKey(0) if random_seed is None else random_seed
        },
        advance=lambda step: {"key": jax.random.split(step.state.key)[0]},
        needs_params=True,
        elementwise=False,
        check=matching.check_real,
        keep_dtype=True,
    )


def _is_key(x: Any) -> bool:
    """Of either kind: a typed key, or its data."""
    kinds = (jax.dtypes.prng_key, jnp.uint32)
    return isinstance(x, jax.Array) and any(jnp.issubdtype(x.dtype, kind) for kind in kinds)
