"""Gradient accumulation without an accumulator: into the moments themselves."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from regopt_jax import _hyperparams, _trees
from regopt_jax._core import GradientTransformation, adopt
from regopt_jax._trees import Array, ArrayLike, PyTree
from regopt_jax.wrappers.gate import Mode, gate, run_or_hold

# The slots that are moving averages, and the hyperparameter that each decays by.
MOMENTS = {"scale_by_adam": {"mu": "b1", "nu": "b2"}, "ema": {"ema": "decay"}}


class AccumulateIntoMomentsState(NamedTuple):
    """State of :func:`accumulate_into_moments`.

    Attributes:
      mini_step: the number of gradients since the last step.
      inner_state: the inner state. In between steps its moments lack one decay.
    """

    mini_step: Array
    inner_state: Any


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
    _hyperparams.check(name, every_k=(every_k, "integer [1, inf)"))
    inner = adopt(inner)
    first = _first(inner)
    moments = MOMENTS.get(first.name, {}) if first.role == "precondition" else {}
    decays = {slot: first.hyperparams[key] for slot, key in moments.items()}
    if not decays or first.hyperparams.get("nesterov"):
        raise ValueError(
            f"{name}: {inner!r} must start with one of {', '.join(MOMENTS)}, without Nesterov's "
            f"look-ahead; it starts with {first!r}."
        )
    _hyperparams.check(name, **{moments[slot]: (d, "(0, 1)") for slot, d in decays.items()})

    def init(params: PyTree) -> AccumulateIntoMomentsState:
        return AccumulateIntoMomentsState(jnp.zeros([], jnp.int32), inner.init(params))

    def fold(updates: PyTree, state: Any, params: PyTree | None) -> Any:
        """The first part's state with the gradient in it and the decay still to come."""
        _, after = first.update(updates, state, params)
        leaves, treedef = _trees.flatten(updates)

        def undecayed(slot: str, decay: ArrayLike) -> PyTree:
            old, new = (
                _trees.align(name, slot, getattr(s, slot), updates, treedef) for s in (state, after)
            )
            return treedef.unflatten(
                [
                    o if g is None else n * jnp.asarray(1 / decay, n.dtype)
                    for g, o, n in zip(leaves, old, new, strict=True)
                ]
            )

        return state._replace(**{slot: undecayed(slot, decay) for slot, decay in decays.items()})

    def advance(
        mode: Mode, updates: PyTree, state: AccumulateIntoMomentsState, params: Any, extra: Any
    ) -> tuple[PyTree, AccumulateIntoMomentsState]:
        def run(updates: PyTree, inner_state: Any, params: Any) -> tuple[PyTree, Any]:
            return mode.run(inner, share(updates), inner_state, params, extra)

        def hold(updates: PyTree, inner_state: Any, params: Any) -> tuple[PyTree, Any]:
            out = mode.hold(inner, updates, inner_state, params, extra)
            folded = fold(share(updates), _first_state(inner, inner_state), params)
            return out, _with_first_state(inner, inner_state, folded)

        def share(updates: PyTree) -> PyTree:
            return jax.tree.map(lambda g: g / every_k, updates)

        last = state.mini_step == every_k - 1
        out, inner_state = run_or_hold(last, run, hold, updates, state.inner_state, params)
        mini_step = jnp.where(last, 0, state.mini_step + 1)
        return out, AccumulateIntoMomentsState(mini_step, inner_state)

    return gate(
        inner,
        init,
        advance,
        lambda state: state.inner_state,
        lambda new: accumulate_into_moments(new, every_k),
        name=name,
        hyperparams={"every_k": every_k},
    )


def _first(tx: GradientTransformation) -> GradientTransformation:
    sequential = tx.composition is not None and tx.composition.sequential
    return _first(tx.parts[0]) if sequential and tx.parts else tx


def _first_state(tx: GradientTransformation, state: Any) -> Any:
    if _first(tx) is tx:
        return state
    assert tx.composition is not None
    return _first_state(tx.parts[0], tx.composition.states(state)[0])


def _with_first_state(tx: GradientTransformation, state: Any, new: Any) -> Any:
    if _first(tx) is tx:
        return new
    assert tx.composition is not None
    head, *rest = tx.composition.states(state)
    states = (_with_first_state(tx.parts[0], head, new), *rest)
    return type(state)(zip(state, states, strict=True)) if isinstance(state, dict) else states
