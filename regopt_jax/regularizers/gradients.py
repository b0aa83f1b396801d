"""Placing a regulariser's gradient: in the loss, beside it, or beside the step."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import Array, ArrayLike, PyTree, ScalarOrSchedule, transformation, trees
from regopt_jax._core.lift import Step, leafwise, unit_metric
from regopt_jax._core.optax_states import WeightDecaySchedule
from regopt_jax._core.protocol import GradientTransformation
from regopt_jax._core.tolerance import strict
from regopt_jax.combine import Mask, masked
from regopt_jax.regularizers.base import Regularizer, require_regularizer
from regopt_jax.regularizers.norms import l2


def penalize(
    loss_fn: Callable[..., Any], regularizer: Regularizer, has_aux: bool = False
) -> Callable[..., Any]:
    r"""The loss plus the regulariser, :math:`L(W) + R(W)`.

    Args:
      loss_fn: ``loss_fn(params, *args) -> loss``, or ``(loss, aux)`` with ``has_aux``.
      regularizer: R. If a strength is a schedule, the new loss takes its step as the
        keyword argument ``step``.
      has_aux: whether the loss returns a pair.

    Raises:
      TypeError: R is no regulariser.
      ValueError: R is a constraint or L0; (from the new loss) R is scheduled and no step given.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> float(penalize(lambda w: jnp.sum(w), ro.l2(1.0))(jnp.array([1.0, 2.0])))
    5.5
    """
    _require_gradient("penalize", regularizer)

    def penalized(params: PyTree, *args: Any, step: ArrayLike | None = None, **kwargs: Any) -> Any:
        if regularizer.scheduled and step is None:
            raise ValueError(
                f"penalize: {regularizer!r} has a scheduled strength; pass the loss step=."
            )
        now = regularizer if step is None else regularizer.at(step)
        out = loss_fn(params, *args, **kwargs)
        loss, *aux = out if has_aux else (out,)
        with jax.numpy_dtype_promotion("standard"):
            total = loss + now.value(params).astype(jnp.asarray(loss).dtype)
        return (total, *aux) if has_aux else total

    return penalized


@transformation()
def coupled(regularizer: Regularizer) -> GradientTransformation:
    r"""Add the regulariser's gradient to the loss's, :math:`g + ∇R(W)`.

    It belongs before moments, which it then shapes: L2 in Adam, not AdamW.

    Args:
      regularizer: R; a subgradient stands in where R is not smooth.

    Raises:
      ValueError: R is a constraint or L0.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx, w = ro.coupled(ro.l2(0.5)), jnp.array(2.0)
    >>> float(tx.update(jnp.array(1.0), tx.init(w), w)[0])
    2.0
    """
    return _adding("coupled", regularizer)


@transformation()
def decoupled(regularizer: Regularizer, *, cautious: bool = False) -> GradientTransformation:
    r"""Add the regulariser's gradient to the step's direction, :math:`u + ∇R(W)`.

    It belongs after moments and before the learning rate, which scales it: AdamW.

    Args:
      regularizer: R; a subgradient stands in where R is not smooth.
      cautious: add it only where it agrees with the step, :math:`u\,∇R(W) ≥ 0`, so
        that it never undoes what the data asks for.

    Raises:
      ValueError: R is a constraint or L0.

    Loshchilov & Hutter, *Decoupled weight decay regularization*, arXiv 1711.05101; Chen et
    al., *Cautious weight decay*, arXiv 2510.12402.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx, w = ro.decoupled(ro.l2(0.5)), jnp.array(2.0)
    >>> float(tx.update(jnp.array(1.0), tx.init(w), w)[0])
    2.0
    """
    return _adding("decoupled", regularizer, cautious)


@transformation(weight_decay="[0, inf)")
def add_decayed_weights(
    weight_decay: ScalarOrSchedule = 0.0, mask: Mask | None = None
) -> GradientTransformation:
    r"""Add a multiple of the weights, :math:`u + λW`: ``decoupled(l2(weight_decay))``.

    Args:
      weight_decay: λ, a scalar or a schedule.
      mask: which leaves to decay; as in :func:`masked`.

    Raises:
      ValueError: a negative ``weight_decay``.

    >>> import jax.numpy as jnp
    >>> tx, w = add_decayed_weights(0.5), jnp.array(2.0)
    >>> float(tx.update(jnp.array(1.0), tx.init(w), w)[0])
    2.0
    """
    if mask is not None:
        return masked(add_decayed_weights(weight_decay), mask).named("masked")
    return decoupled(l2(weight_decay))


def _require_gradient(who: str, regularizer: Regularizer) -> None:
    require_regularizer(who, regularizer)
    flat = [type(term.penalty).__name__ for term in regularizer.terms if term.penalty.flat]
    if flat:
        raise ValueError(
            f"{who}: {flat[0]} has no gradient that could act (it is zero wherever it exists); "
            "use proximal."
        )


def _adding(name: str, regularizer: Regularizer, cautious: bool = False) -> GradientTransformation:
    _require_gradient(name, regularizer)

    def slopes(step: Step) -> list[Any]:
        now = regularizer if step.count is None else regularizer.at(step.count)
        return trees.flatten(now.grad(step.params))[0]

    def add(u: Array, p: Array, slope: Array) -> Array:
        slope = slope.astype(u.dtype) if strict() else slope
        return u + (jnp.where(u * slope >= 0, slope, 0) if cautious else slope)

    return leafwise(
        add,
        role="regularizer",
        state=WeightDecaySchedule if regularizer.scheduled else optax.EmptyState,
        each=slopes,
        metric=unit_metric,
        masks=regularizer.masks,
        check=lambda _, params: regularizer.masks(params),
        needs_params=True,
        elementwise=all(term.penalty.separable for term in regularizer.terms),
    )
