r"""Weights in 16 bits, whose small steps are not lost.

A step of a thousandth of a bfloat16 is rounded away: at 1 the next number is 1.0078. So a step is
taken on the float32 weight that a narrow one stands for, and what rounding takes from it is kept:

.. math:: w = \operatorname{open}(p, r), \qquad w ← w + u(w), \qquad p ← \operatorname{round}(w),
   \quad r ← \operatorname{rest}(w, p)

Or it is not kept, and rounding is right on average. Out come float32 updates, p' - p, of which
``apply_updates`` makes p': exactly, as the difference of two numbers of 8 digits whose sizes are
within a factor of 2¹⁶ has at most 24.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from regopt_jax._core import (
    Array,
    GradientTransformation,
    PyTree,
    arithmetic,
    as_transformation,
    fields,
    matching,
    trees,
    wrap,
)
from regopt_jax._core.decorator import transformation
from regopt_jax._core.modes import Mode
from regopt_jax._core.vectors import apply_updates
from regopt_jax.precision.formats import Corrected, nearest
from regopt_jax.transforms.random_keys import as_key


class NarrowWeightsState(NamedTuple):
    """The state inside, and what the weights lack to those that it steps on.

    Attributes:
      inner_state: of the transformation inside, which sees weights in float32.
      rest: of each narrow weight what it takes to open it; ``None`` of others.
    """

    inner_state: Any
    rest: PyTree


class StochasticRoundingState(NamedTuple):
    """The state inside, which sees weights in float32, and a key."""

    inner_state: Any
    rng_key: Array


@transformation()
def master_weights(
    inner: optax.GradientTransformation, keep: Literal["float32", "bf16+16", "bf16+8"] = "float32"
) -> GradientTransformation:
    """Step on a float32 copy of narrow weights, or on them and the bits that they lost.

    It belongs outermost, or last in a chain: what it emits is the weight's whole way. A weight that
    someone else has set, such as a proximal map around it, is taken as it is.

    Args:
      inner: ours or Optax's; it sees weights and gradients in float32.
      keep: ``"float32"``, a copy of 4 bytes; ``"bf16+16"``, the 16 bits that a bfloat16 lost, so
        that the two are the float32; ``"bf16+8"``, half of them. Other weights of 16 bits have a
        copy, wider ones nothing.

    Raises:
      ValueError: ``keep`` is something else.

    Micikevicius et al., *Mixed precision training*, arXiv 1710.03740; the bits that are lost, as in
    HeavyBall and FlashOptim, arXiv 2602.23349.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx, w = ro.master_weights(ro.sgd(1e-3), "bf16+8"), jnp.ones(1, jnp.bfloat16)
    >>> state = tx.init(w)
    >>> for _ in range(100):
    ...     w, state = tx.step(jnp.ones(1, jnp.bfloat16), state, w)
    >>> w
    Array([0.898438], dtype=bfloat16)
    """
    if not isinstance(keep, str) or keep not in _LOST:
        raise ValueError(f"master_weights: keep must be one of {', '.join(_LOST)}, got {keep!r}.")
    lost = _LOST[keep]

    def correction(p: Array) -> Corrected | None:
        return lost if p.dtype == jnp.bfloat16 else None

    def begin(p: Array) -> Array:
        format_ = correction(p)
        wide = p.astype(jnp.float32)
        return wide if format_ is None else format_.correction(wide, p)

    def opened(p: Array, rest: Array) -> Array:
        format_ = correction(p)
        if format_ is not None:
            return format_.corrected(p, rest)
        return jnp.where(nearest(rest, p.dtype) == p, rest, p.astype(jnp.float32))

    def rest(w: Array, p: Array) -> Array:
        format_ = correction(p)
        return w if format_ is None else format_.correction(w, p)

    return _narrow("master_weights", inner, begin, opened, rest)


_LOST = {
    "float32": None,
    "bf16+16": Corrected("bf16_ecc16", bits=16),
    "bf16+8": Corrected("bf16_ecc"),
}


@transformation()
def kahan(inner: optax.GradientTransformation) -> GradientTransformation:
    r"""Keep what rounding a narrow weight took from its step, in its own dtype (Kahan summation).

    .. math:: w = p + c, \qquad w ← w + u(w), \qquad p ← \operatorname{round}(w), \quad c ← w - p

    It belongs outermost, or last in a chain.

    Args:
      inner: ours or Optax's; it sees weights and gradients in float32.

    Zamirai et al., *Revisiting bfloat16 training*, arXiv 2010.06192.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx, w = ro.kahan(ro.sgd(1e-3)), jnp.ones(1, jnp.bfloat16)
    >>> state = tx.init(w)
    >>> for _ in range(100):
    ...     w, state = tx.step(jnp.ones(1, jnp.bfloat16), state, w)
    >>> w
    Array([0.898438], dtype=bfloat16)
    """

    def opened(p: Array, rest: Array) -> Array:
        return p.astype(jnp.float32) + rest.astype(jnp.float32)

    def rest(w: Array, p: Array) -> Array:
        lost = w - p.astype(jnp.float32)
        return jnp.where(jnp.isfinite(lost), lost, 0).astype(p.dtype)

    return _narrow("kahan", inner, arithmetic.zeros_like, opened, rest)


@transformation()
def stochastic_rounding(
    inner: optax.GradientTransformation, key: Array | int = 0
) -> GradientTransformation:
    r"""Round a bfloat16 weight up or down, the likelier the nearer: right on average.

    .. math:: P(\lceil w \rceil) = \frac{w - \lfloor w \rfloor}{\lceil w \rceil - \lfloor w \rfloor}

    A weight that is not moved stays, and so does zero. It belongs outermost, or last in a chain.

    Args:
      inner: ours or Optax's; it sees weights and gradients in float32.
      key: a key of ``jax.random.key`` or a seed.

    Raises:
      TypeError: (from ``init``) a weight is of float16; names its path.

    Gupta et al., *Deep learning with limited numerical precision*, arXiv 1502.02551.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx, w = ro.stochastic_rounding(ro.sgd(1e-3)), jnp.ones(1000, jnp.bfloat16)
    >>> w, _ = tx.step(jnp.ones(1000, jnp.bfloat16), tx.init(w), w)
    >>> round(float(w.astype(jnp.float32).mean()), 3)
    0.999
    """
    part = as_transformation(inner)
    as_key("stochastic_rounding", key)

    def init(params: PyTree) -> StochasticRoundingState:
        for path, p in zip(trees.leaf_paths(params), trees.flatten(params)[0], strict=True):
            if p is not None and jnp.result_type(p) == jnp.float16:
                raise TypeError(
                    f"stochastic_rounding: the parameter at '{path}' is of float16; it rounds "
                    "bfloat16. For float16 take master_weights or kahan."
                )
        start = as_key("stochastic_rounding", key)
        return StochasticRoundingState(part.init(_widened(params)), start)

    def run(mode: Mode, updates: PyTree, state: Any, params: Any, extra: Any) -> tuple[Any, Any]:
        leaves, _ = trees.flatten(_needed("stochastic_rounding", params, updates))
        following, *keys = jax.random.split(state.rng_key, 1 + len(leaves))
        out, _, inside = _stepped(
            part,
            lambda p, key: p.astype(jnp.float32),
            stochastic,
            updates,
            state,
            params,
            keys,
            extra,
        )
        return mode.land(out), StochasticRoundingState(inside, following)

    def stochastic(w: Array, p: Array, key: Array) -> tuple[Array, None]:
        return stochastically(w, key), None

    lens = fields("inner_state")
    return wrap(part, init=init, run=run, lens=lens, sees=_seen, mixes=True, metric="inner")


def stochastically(x: Array, key: Array) -> Array:
    """A float32 as one of the two bfloat16 beside it, the likelier the nearer."""
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32)
    moved = bits + jax.random.bits(key, x.shape, jnp.uint16).astype(jnp.uint32)
    rounded = jax.lax.bitcast_convert_type(moved >> 16 << 16, jnp.float32)
    return jnp.where(jnp.isfinite(x), rounded, x).astype(jnp.bfloat16)


def _narrow(
    name: str,
    inner: optax.GradientTransformation,
    begin: Callable[[Array], Array],
    opened: Callable[[Array, Array], Array],
    rest: Callable[[Array, Array], Array],
) -> GradientTransformation:
    """A transformation of the float32 weights that narrow ones and their rests stand for."""
    part = as_transformation(inner)

    def init(params: PyTree) -> NarrowWeightsState:
        leaves, treedef = trees.flatten(params)
        rests = [begin(p) if _is_narrow(p) else None for p in leaves]
        return NarrowWeightsState(part.init(_widened(params)), treedef.unflatten(rests))

    def run(mode: Mode, updates: PyTree, state: Any, params: Any, extra: Any) -> tuple[Any, Any]:
        _, treedef = trees.flatten(_needed(name, params, updates))
        before = matching.align(name, "state", state.rest, params, treedef)
        out, after, inside = _stepped(part, opened, closed, updates, state, params, before, extra)
        return mode.land(out), NarrowWeightsState(inside, treedef.unflatten(after))

    def closed(w: Array, p: Array, _: Array) -> tuple[Array, Array]:
        new = nearest(w, p.dtype)
        return new, rest(w, new)

    return wrap(part, init=init, run=run, lens=fields("inner_state"), sees=_seen, metric="inner")


def _stepped(
    part: GradientTransformation,
    opened: Callable[[Array, Any], Array],
    closed: Callable[[Array, Array, Any], tuple[Array, Any]],
    updates: PyTree,
    state: Any,
    params: PyTree,
    own: Sequence[Any],
    extra: Any,
) -> tuple[PyTree, list[Any], Any]:
    """The ways of all weights, what closing narrow ones leaves, and the state inside."""
    leaves, treedef = trees.flatten(params)
    pairs = zip(leaves, own, strict=True)
    full = treedef.unflatten([opened(p, x) if _is_narrow(p) else p for p, x in pairs])
    steps, inside = part.update(_widened(updates), state.inner_state, full, **extra)
    moved = apply_updates(full, steps)

    def one(p: Any, x: Any, u: Any, w: Any) -> tuple[Any, Any]:
        if u is None or not _is_narrow(p):
            return u, x
        new, rest = closed(w, p, x)
        return new.astype(jnp.float32) - p.astype(jnp.float32), rest

    columns = map(treedef.flatten_up_to, (steps, moved))
    ends = [one(*row) for row in zip(leaves, own, *columns, strict=True)]
    return treedef.unflatten([way for way, _ in ends]), [rest for _, rest in ends], inside


def _is_narrow(x: Any) -> bool:
    return arithmetic.is_inexact(x) and jnp.result_type(x).itemsize == 2


def _widened(tree: PyTree) -> PyTree:
    """A tree whose leaves of 16 bits are float32."""
    return jax.tree.map(lambda x: x.astype(jnp.float32) if _is_narrow(x) else x, tree)


def _seen(tree: PyTree) -> tuple[PyTree]:
    return (_widened(tree),)


def _needed(name: str, params: PyTree | None, updates: PyTree) -> PyTree:
    if params is None:
        raise matching.params_needed(name, updates)
    return params
