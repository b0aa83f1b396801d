"""A probe of one module that stands for ``optax``, run with Optax and with the second face."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from regopt_jax import optax as face

W = {"w": jnp.array([1.0, -2.0, 0.5]), "b": jnp.array([0.25])}
G = {"w": jnp.array([0.5, 1.0, -3.0]), "b": jnp.array([-1.0])}


def steps(tx: Any, params: Any = W, grads: Any = (G, G, G), **extra: Any) -> list[Any]:
    """The states and updates of some steps."""
    state = tx.init(params)
    seen = [state]
    for g in grads:
        updates, state = tx.update(g, state, params, **extra)
        params = jax.tree.map(
            lambda p, u: p if u is None else optax.apply_updates(p, u),
            params,
            updates,
            is_leaf=lambda x: x is None,
        )
        seen += [updates, state]
    return seen


def outcome(probe: Callable[[Any], Any], module: Any) -> tuple[Any, list[str]]:
    with (
        warnings.catch_warnings(record=True) as caught,
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
    ):
        warnings.simplefilter("always")
        try:
            result = probe(module)
        except Exception as error:  # its type is compared
            result = error
    return result, sorted({f"{w.category.__name__}: {w.message}" for w in caught})


def data(x: Any) -> Any:
    is_key = jnp.issubdtype(jnp.result_type(x), jax.dtypes.prng_key)
    return jax.random.key_data(x) if is_key else x


def kind(x: Any) -> tuple[Any, ...]:
    return (jnp.shape(x), getattr(x, "dtype", type(x)), getattr(x, "weak_type", None))


def require_alike(
    probe: Callable[[Any], Any], rtol: float = 3e-6, error: type[Exception] | None = None
) -> None:
    """Values, dtypes, weak types and structure, or the error's type, and warnings are the same.

    Where Optax fails, ``error`` is what the face may raise in place of an error of Optax's type.
    """
    (theirs, warned), (ours, told) = (outcome(probe, module) for module in (optax, face))
    if isinstance(theirs, Exception):
        assert isinstance(ours, error or type(theirs)), (ours, theirs)
        return
    if isinstance(ours, Exception):
        raise ours
    assert {w.partition(":")[0] for w in told} == {w.partition(":")[0] for w in warned}
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    pairs = zip(jax.tree.leaves_with_path(ours), jax.tree.leaves(theirs), strict=True)
    for (path, a), b in pairs:
        where = jax.tree_util.keystr(path)
        assert kind(a) == kind(b), where
        a, b = map(data, (a, b))
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-7, err_msg=where)
