"""Optimism: count the newest change of the gradient twice, as if it came again."""

from typing import Any, NamedTuple

import jax.numpy as jnp

from regopt_jax import _hyperparams
from regopt_jax._core import GradientTransformation
from regopt_jax._leafwise import Step, leafwise
from regopt_jax._states import ScaleByOptimisticGradientState
from regopt_jax._trees import Array, ArrayLike, PyTree, zeros_like


class _Counted(NamedTuple):
    """The state with a counter in place of its flag for the first step."""

    count: Any
    previous_gradient: PyTree


def scale_by_optimistic_gradient(
    alpha: ArrayLike = 1.0, beta: ArrayLike = 1.0
) -> GradientTransformation:
    r"""Extrapolate the gradient by its newest change.

    .. math:: u_t = α g_t + β (g_t - g_{t-1}), \qquad u_1 = α g_1

    A steady gradient steps by α of it, so the metric is 1/α.

    Args:
      alpha: α ≥ 0.
      beta: β.

    Raises:
      ValueError: a hyperparameter out of its range.

    Mokhtari, Ozdaglar & Pattathil, *A unified analysis of extra-gradient and optimistic
    gradient methods for saddle point problems*, arXiv 1901.08511.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_optimistic_gradient()
    >>> state = tx.init(jnp.array(0.0))
    >>> for g in (1.0, 3.0):
    ...     u, state = tx.update(jnp.array(g), state)
    >>> float(u)
    5.0
    """
    name = "scale_by_optimistic_gradient"
    _hyperparams.check(name, alpha=(alpha, "[0, inf)"), beta=(beta, "(-inf, inf)"))

    def change(g: Array, before: Array, first: Array) -> tuple[Array, Array]:
        before = jnp.where(first, g, before)
        return jnp.subtract((alpha + beta) * g, beta * before), g

    def first(step: Step) -> Array:
        return step.count == 0

    counted = leafwise(
        change,
        name=name,
        role="precondition",
        hyperparams={"alpha": alpha, "beta": beta},
        state=_Counted,
        init=zeros_like,
        context=first,
        metric=lambda before, first: 1 / jnp.asarray(alpha, float),
    )
    assert counted.metric is not None
    inner_metric = counted.metric

    def into(state: Any) -> _Counted:
        count = jnp.where(state.is_initial_step, 0, 1).astype(jnp.int32)
        return _Counted(count, state.previous_gradient)

    def back(state: _Counted) -> Any:
        return ScaleByOptimisticGradientState(state.count == 0, state.previous_gradient)

    def init(params: PyTree) -> Any:
        return back(counted.init(params))

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **_: Any
    ) -> tuple[PyTree, Any]:
        updates, after = counted.update(updates, into(state))
        return updates, back(after)

    def metric(state: Any, params: PyTree) -> PyTree:
        return inner_metric(into(state), params)

    described: dict[str, Any] = {**vars(counted), "metric": metric}
    return type(counted)(init, update, **described)
