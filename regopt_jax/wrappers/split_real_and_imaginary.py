"""Complex parameters as pairs of real ones."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax.contrib import SplitRealAndImaginaryState as SplitRealAndImaginaryState

from regopt_jax._core import GradientTransformation, PyTree, as_transformation, fields, wrap
from regopt_jax._core.decorator import transformation
from regopt_jax._core.modes import Mode, Then
from regopt_jax._core.optax_states import SplitRealAndImaginaryArrays


@transformation()
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
    part = as_transformation(inner)

    def init(params: PyTree) -> SplitRealAndImaginaryState:
        return SplitRealAndImaginaryState(part.init(_split(params)))

    def run(
        mode: Mode, updates: PyTree, state: Any, params: PyTree | None, extra: Any
    ) -> tuple[Any, SplitRealAndImaginaryState]:
        joining = Then(_join, (), mode)
        out, inner = part.run(joining, _split(updates), state.inner_state, _split(params), extra)
        return out, SplitRealAndImaginaryState(inner)

    return wrap(
        part, init=init, run=run, lens=fields("inner_state"), sees=lambda tree: (_split(tree),)
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
