"""Complex parameters as pairs of real ones."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax.contrib import SplitRealAndImaginaryState as SplitRealAndImaginaryState

from regopt_jax._core import Composition, GradientTransformation, adopt
from regopt_jax._states import SplitRealAndImaginaryArrays
from regopt_jax._trees import PyTree


def split_real_and_imaginary(inner: optax.GradientTransformation) -> GradientTransformation:
    """Treat each complex array as two real ones, its real and its imaginary part.

    An adaptive optimiser then has a second moment for each, instead of one for the modulus.
    Real arrays pass as they are. ``jax.grad`` returns the conjugate of the direction of
    ascent: conjugate complex gradients first.

    Args:
      inner: the transformation of real arrays.

    >>> import jax.numpy as jnp, regopt_jax as ro
    >>> tx, w = ro.split_real_and_imaginary(ro.clip(1.0)), jnp.array(3.0 - 0.5j)
    >>> complex(tx.update(w, tx.init(w))[0])
    (1-0.5j)
    """
    part = adopt(inner)

    def init(params: PyTree) -> SplitRealAndImaginaryState:
        return SplitRealAndImaginaryState(part.init(_split(params)))

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, SplitRealAndImaginaryState]:
        out, inner_state = part.update(_split(updates), state.inner_state, _split(params), **extra)
        return _join(out), SplitRealAndImaginaryState(inner_state)

    def rebuild(parts: Sequence[GradientTransformation]) -> GradientTransformation:
        (new,) = parts
        return split_real_and_imaginary(new)

    return GradientTransformation(
        init,
        update,
        name="split_real_and_imaginary",
        role="composite",
        elementwise=part.elementwise,
        composition=Composition((part,), (part.name,), lambda s: (s.inner_state,), rebuild),
    )


def _split(tree: PyTree) -> PyTree:
    def one(x: Any) -> Any:
        return SplitRealAndImaginaryArrays(x.real, x.imag) if jnp.iscomplexobj(x) else x

    return jax.tree.map(one, tree)


def _join(tree: PyTree) -> PyTree:
    def is_pair(x: Any) -> bool:
        return isinstance(x, SplitRealAndImaginaryArrays)

    def one(x: Any) -> Any:
        return jax.lax.complex(x.real, x.imaginary) if is_pair(x) else x

    return jax.tree.map(one, tree, is_leaf=is_pair)
