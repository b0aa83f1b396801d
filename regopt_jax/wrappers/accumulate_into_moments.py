"""Gradient accumulation without an accumulator: into the moments themselves."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from regopt_jax._core import (
    GradientTransformation,
    as_transformation,
    matching,
    transformation,
    trees,
    wrap,
)
from regopt_jax._core.modes import Mode, held, run_or_hold
from regopt_jax._core.nature import Chain, Nature, Rule, fields
from regopt_jax._core.numbers import check
from regopt_jax._core.trees import Array, ArrayLike, PyTree


class AccumulateIntoMomentsState(NamedTuple):
    """State of :func:`accumulate_into_moments`.

    Attributes:
      mini_step: the number of gradients since the last step.
      inner_state: the inner state. In between steps its moments lack one decay.
    """

    mini_step: Array
    inner_state: Any


@transformation(every_k="integer [1, inf)")
def accumulate_into_moments(inner: GradientTransformation, every_k: int) -> GradientTransformation:
    r"""Take one step for every k gradients, adding each to the moments as it comes (AdamA).

    .. math:: m_t = β_1 m_{t-1} + (1-β_1) \sum_{i=1}^{k} \frac{g_{t,i}}{k}, \qquad
       r_t = β_2 r_{t-1} + (1-β_2) \sum_{i=1}^{k} \left(\frac{g_{t,i}}{k}\right)^2

    Unlike :func:`accumulate`, no sum of gradients is kept; the price is that the second
    moment adds up squares in place of squaring the sum. The updates in between are zero, and
    schedules count steps. The moments before the last gradient are kept as
    :math:`m_{t-1} + \frac{1-β_1}{β_1} \sum_i g_{t,i}/k`, so that the step itself is the inner
    transformation's own, on that gradient.

    Args:
      inner: an Adam, AdamW or ``ema``, or a chain that starts with one.
      every_k: k, an integer ≥ 1.

    Raises:
      ValueError: ``every_k`` out of its range; ``inner`` starts with something else, looks
        ahead (Nesterov), or a moment does not decay.

    Zhang et al., *Adam accumulation to reduce memory footprints of both activations and
    gradients for large-scale DNN training*, arXiv 2305.19982.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx = accumulate_into_moments(ro.adam(0.1), every_k=2)
    >>> state = tx.init(jnp.array(0.0))
    >>> for g in (3.0, -4.0):
    ...     u, state = tx.update(jnp.array(g), state)
    ...     print(round(float(u), 4))
    0.0
    0.02
    """
    name = "accumulate_into_moments"
    inner = as_transformation(inner)
    first, nature = _first(inner), inner.nature
    averages = first.nature.averages if isinstance(first.nature, Rule) else {}
    decays = {slot: first.hyperparams[key] for slot, key in averages.items()}
    if not decays:
        raise ValueError(
            f"{name}: {inner!r} must start with one of scale_by_adam, ema and others that are "
            f"moving averages, without Nesterov's look-ahead; it starts with {first!r}."
        )
    check(name, **{averages[slot]: (decay, "(0, 1)") for slot, decay in decays.items()})

    def init(params: PyTree) -> AccumulateIntoMomentsState:
        return AccumulateIntoMomentsState(jnp.zeros([], jnp.int32), inner.init(params))

    def fold(updates: PyTree, state: Any, params: PyTree | None) -> Any:
        """The first part's state with the gradient in it and the decay still to come."""
        _, after = first.update(updates, state, params)
        leaves, treedef = trees.flatten(updates)

        def undecayed(slot: str, decay: ArrayLike) -> PyTree:
            old, new = (
                matching.align(name, slot, getattr(s, slot), updates, treedef)
                for s in (state, after)
            )
            return treedef.unflatten(
                [
                    o if g is None else n * jnp.asarray(1 / decay, n.dtype)
                    for g, o, n in zip(leaves, old, new, strict=True)
                ]
            )

        return state._replace(**{slot: undecayed(slot, decay) for slot, decay in decays.items()})

    def run(
        mode: Mode, updates: PyTree, state: AccumulateIntoMomentsState, params: Any, extra: Any
    ) -> tuple[Any, AccumulateIntoMomentsState]:
        def ended(mode: Mode, updates: PyTree, inner_state: Any, params: Any) -> Any:
            return inner.run(mode, share(updates), inner_state, params, extra)

        def within(mode: Mode, updates: PyTree, inner_state: Any, params: Any) -> Any:
            out = held(ended, mode, updates, inner_state, params)
            folded = fold(share(updates), _first_state(nature, inner_state), params)
            return out, _with_first_state(nature, inner_state, folded)

        def share(updates: PyTree) -> PyTree:
            return jax.tree.map(lambda g: g / every_k, updates)

        last = state.mini_step >= every_k - 1
        out, inner_state = run_or_hold(
            last, ended, within, mode, updates, state.inner_state, params
        )
        mini_step = jnp.where(last, 0, state.mini_step + 1)
        return out, AccumulateIntoMomentsState(mini_step, inner_state)

    return wrap(inner, init=init, run=run, lens=fields("inner_state"), holds=True)


def _first(tx: GradientTransformation) -> GradientTransformation:
    return _first(tx.parts[0]) if isinstance(tx.nature, Chain) and tx.parts else tx


def _first_state(nature: Nature, state: Any) -> Any:
    if not isinstance(nature, Chain):
        return state
    return _first_state(nature.parts[0].nature, nature.lens.get(state)[0])


def _with_first_state(nature: Nature, state: Any, new: Any) -> Any:
    if not isinstance(nature, Chain):
        return new
    head, *rest = nature.lens.get(state)
    first = _with_first_state(nature.parts[0].nature, head, new)
    return nature.lens.put(state, [first, *rest])
