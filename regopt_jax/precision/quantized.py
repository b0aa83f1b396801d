"""States in few bits, of any transformation."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import optax

from regopt_jax._core import GradientTransformation, PyTree, as_transformation, trees
from regopt_jax._core.decorator import transformation
from regopt_jax._core.nature import Rule
from regopt_jax._core.optax_states import SUMS
from regopt_jax._core.packed import Packed
from regopt_jax._core.stored import Slot, keeping, kept_like, plain
from regopt_jax._core.walk import walk
from regopt_jax.combine.choices import Mask, keep, resolve
from regopt_jax.combine.select import everything
from regopt_jax.precision import named
from regopt_jax.precision.formats import Format
from regopt_jax.precision.weights import NarrowWeightsState


@transformation(min_size="integer [0, inf)")
def quantized(
    inner: optax.GradientTransformation,
    format: str | Format | Mapping[str, str | Format] = "8bit",  # noqa: A002
    *,
    where: Mask = everything,
    min_size: int = 4096,
) -> GradientTransformation:
    """Keep the moments of a transformation in few bits.

    A slot is decoded before an update and encoded after it, and the formula does not know. Second
    moments, which are never negative, are kept in the sibling of a format that keeps no signs. What
    starts as a copy of the parameters stays as it is unless it is named, and so does a sum of
    gradients that :func:`accumulate` holds. What is not like a parameter always does: counts, keys,
    the factors of Shampoo and SOAP.

    Args:
      inner: ours or Optax's; the state is its own, with encoded slots.
      format: a format of ``regopt_jax.precision`` or its name; ``"8bit"`` is ``int8_companded``
        with ``uint8_sqrt``, ``"4bit"`` is ``int4`` with ``uint4``. Or formats by slot, such as
        ``{"mu": "bf16", "nu": "8bit"}``, of which those not named stay as they are.
      where: the parameters whose slots are kept so; see :func:`select`.
      min_size: how many elements a parameter has at least; what is packed is small.

    Raises:
      ValueError: no format or slot of that name.

    Dettmers et al., *8-bit optimizers via block-wise quantization*, arXiv 2110.02861;
    *FlashOptim*, arXiv 2602.23349.

    >>> import jax, jax.numpy as jnp, regopt_jax as ro
    >>> tx = ro.quantized(ro.adamw(1e-3))
    >>> state = tx.init({"w": jnp.zeros((256, 512))})
    >>> round(sum(x.nbytes for x in jax.tree.leaves(state)) / (256 * 512), 3)
    2.125
    """
    part = as_transformation(inner)
    by_slot = {k: named(x) for k, x in format.items()} if isinstance(format, Mapping) else {}
    for_all = None if isinstance(format, Mapping) else named(format)
    rules = [x.tx.nature for x in walk(part) if isinstance(x.tx.nature, Rule)]
    exact = frozenset(SUMS | {(NarrowWeightsState, "rest")})
    nonnegative = frozenset(field for rule in rules for field in rule.nonnegative)

    def choose(params: PyTree, slots: list[Slot]) -> list[Format | None]:
        selected = trees.key_paths(keep(resolve("quantized", "mask", where, params), params))
        small = params.layout.names if isinstance(params, Packed) else ()
        there = {field for slot in slots for _, field in slot.fields}
        if slots and not there.issuperset(by_slot):
            raise ValueError(
                f"quantized: there is no slot {', '.join(sorted(by_slot.keys() - there))}; there "
                f"are {', '.join(sorted({slot.fields[-1][1] for slot in slots if slot.fields}))}."
            )

        def one(slot: Slot) -> Format | None:
            if math.prod(slot.array.shape) < min_size or slot.parameter not in selected:
                return None
            if small and getattr(slot.parameter[0], "key", None) in small:
                return None
            signed = nonnegative.isdisjoint(slot.fields)
            for _, field in reversed(slot.fields):
                if field in by_slot:
                    return by_slot[field].of(signed and by_slot[field].signed)
            if for_all is None or slot.copied or not exact.isdisjoint(slot.fields):
                return None
            return for_all.of(signed)

        return list(map(one, slots))

    return keeping(part, choose)


def requantize(
    state: Any,
    from_tx: optax.GradientTransformation,
    to_tx: optax.GradientTransformation,
    params: PyTree,
) -> Any:
    """The state of a run, as it is kept by the same transformation with other formats.

    Args:
      state: the state, of ``from_tx``.
      from_tx, to_tx: alike but for what is :func:`quantized`, and how; either may not be.
      params: the parameters or their shapes.

    Raises:
      ValueError: the state is not of ``from_tx``, or theirs differ in more than formats.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> plain, params = ro.adam(0.1), {"w": jnp.ones(4096)}
    >>> tx = ro.quantized(plain)
    >>> state = requantize(plain.init(params), plain, tx, params)
    >>> state[0].mu["w"].format, state[0].nu["w"].format
    (int8_companded, uint8_sqrt)
    """
    shapes: list[Any] = [
        jax.eval_shape(as_transformation(tx).init, params) for tx in (from_tx, to_tx)
    ]

    structures: list[Any] = [jax.tree.structure(x) for x in (state, shapes[0])]
    if structures[0] != structures[1]:
        raise ValueError("requantize: the state is not of from_tx and these parameters.")
    try:
        return kept_like(shapes[1], plain(state))
    except ValueError as error:
        raise ValueError(
            "requantize: from_tx and to_tx differ in more than formats. Take the same "
            "transformation, quantized or not."
        ) from error
