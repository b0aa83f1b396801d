"""Muon: momentum whose singular values are all brought near one."""

import math
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp

from regopt_jax._core import GradientTransformation, ScalarOrSchedule, leafwise, trees
from regopt_jax._core.arithmetic import at_least_float32, zeros_like
from regopt_jax._core.decorator import transformation
from regopt_jax._core.trees import Array, ArrayLike, PyTree
from regopt_jax.combine import chain
from regopt_jax.interop.torch._parts import NONNEGATIVE, decay
from regopt_jax.transforms.moments import moving_average
from regopt_jax.transforms.orthogonal import Start, iterate, rounded
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate

_ADJUSTMENTS = (None, "original", "match_rms_adamw")


class MuonState(NamedTuple):
    """The moving average of the gradients."""

    momentum_buffer: PyTree


@transformation(
    lr=NONNEGATIVE,
    weight_decay=NONNEGATIVE,
    momentum="[0, 1]",
    eps=NONNEGATIVE,
    ns_steps="integer [0, 100)",
    ns_coefficients="(-inf, inf)",
)
def muon(
    lr: ScalarOrSchedule = 1e-3,
    weight_decay: ScalarOrSchedule = 0.1,
    momentum: ArrayLike = 0.95,
    nesterov: bool = True,
    ns_coefficients: tuple[ArrayLike, ArrayLike, ArrayLike] = (3.4445, -4.7750, 2.0315),
    eps: ArrayLike = 1e-7,
    ns_steps: int = 5,
    adjust_lr_fn: Literal["original", "match_rms_adamw"] | None = None,
    *,
    ns_dtype: Any = jnp.bfloat16,
) -> GradientTransformation:
    r"""``torch.optim.Muon``, for matrices only.

    .. math:: M_t = μ M_{t-1} + (1-μ) G_t, \qquad
       W ← W - α \left(s\, \mathrm{NS}((1-μ) G_t + μ M_t) + λ W\right)

    where NS starts from :math:`X_0 = M/\max(\lVert M\rVert_F, ε)` and repeats
    :math:`X ← a X + (b A + c A^2) X` with :math:`A = X X^⊤`, and
    :math:`s = \sqrt{\max(1, n/m)}` for n rows and m columns.

    Args:
      lr: α ≥ 0 or a schedule.
      weight_decay: λ ≥ 0, decoupled.
      momentum: μ in [0, 1].
      nesterov: mix the gradient in once more, as above; else NS of :math:`M_t`.
      ns_coefficients: a, b, c.
      eps: ε ≥ 0.
      ns_steps: how often NS repeats, fewer than 100.
      adjust_lr_fn: ``"match_rms_adamw"`` for :math:`s = 0.2\sqrt{\max(n, m)}`. PyTorch's rows
        are a layer's outputs, a Flax kernel's its inputs.
      ns_dtype: in which NS computes; bfloat16 as in PyTorch, ``None`` for the gradient's.

    Raises:
      ValueError: a hyperparameter out of its range; (from ``init``) a leaf that is not a matrix.

    Jordan et al., *Muon*, 2024; Liu et al., *Muon is scalable for LLM training*, arXiv 2502.16982.

    >>> import jax.numpy as jnp
    >>> tx, w = muon(0.1, weight_decay=0.0, ns_dtype=None), jnp.eye(2)
    >>> round(float(tx.update(w, tx.init(w), w)[0][0, 0]), 3)
    -0.111
    """
    if adjust_lr_fn not in _ADJUSTMENTS:
        raise ValueError(f"muon: adjust_lr_fn must be one of {_ADJUSTMENTS}, got {adjust_lr_fn!r}.")

    def smooth(g: Array, m: Array) -> tuple[Array, Array]:
        m = moving_average(g, m, momentum)
        return (moving_average(g, m, momentum) if nesterov else m), m

    def orthogonalize(m: Array) -> Array:
        dtype = m.dtype if ns_dtype is None else ns_dtype
        ortho = newton_schulz(m, jnp.asarray(ns_coefficients), ns_steps, eps, dtype)
        return ortho.astype(m.dtype) * adjustment(m.shape, adjust_lr_fn)

    def check(name: str, params: PyTree) -> None:
        for path, p in zip(trees.leaf_paths(params), trees.flatten(params)[0], strict=True):
            if p is not None and jnp.ndim(p) != 2:
                raise ValueError(
                    f"muon: the leaf at '{path}' has shape {jnp.shape(p)}, not that of a matrix; "
                    "give it to another optimiser with regopt_jax.partition."
                )

    return chain(
        leafwise(
            smooth,
            name="scale_by_momentum",
            role="precondition",
            hyperparams={"momentum": momentum, "nesterov": nesterov},
            state=MuonState,
            init=zeros_like,
            check=check,
        ),
        leafwise(
            orthogonalize,
            name="orthogonalize",
            role="precondition",
            hyperparams={
                "ns_coefficients": ns_coefficients,
                "eps": eps,
                "ns_steps": ns_steps,
                "adjust_lr_fn": adjust_lr_fn,
            },
            elementwise=False,
        ),
        *decay(weight_decay),
        scale_by_learning_rate(lr),
    )


def newton_schulz(
    x: Array, coefficients: ArrayLike, steps: int, eps: ArrayLike, dtype: Any
) -> Array:
    """The iteration in a dtype, rounded where PyTorch rounds."""
    tall = x.shape[0] > x.shape[1]
    x = at_least_float32(rounded(x.T if tall else x, dtype))
    norm = jnp.maximum(at_least_float32(rounded(jnp.linalg.norm(x), dtype)), eps)
    y = iterate(Start(rounded(x / norm, dtype)), coefficients, steps)
    return y.T if tall else y


def adjustment(shape: tuple[int, ...], function: str | None) -> float:
    """What the step of a matrix of this shape is multiplied by."""
    rows, columns = shape
    if function == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1.0, rows / columns)) if columns else 1.0
