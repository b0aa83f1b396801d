"""The Adam family as PyTorch has it."""

import functools
from collections.abc import Callable

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import chain
from regopt_jax.interop.torch._parts import NONNEGATIVE, Pair, decay, gradient
from regopt_jax.interop.torch.moments import scale_by_amsgrad, scale_by_nadam, scale_by_radam
from regopt_jax.transforms.scale_by_adam import scale_by_adam
from regopt_jax.transforms.scale_by_adamax import scale_by_adamax
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate

_checked = functools.partial(
    transformation, lr=NONNEGATIVE, betas="pair [0, 1)", eps=NONNEGATIVE, weight_decay=NONNEGATIVE
)


@_checked()
def adam(
    lr: ScalarOrSchedule = 1e-3,
    betas: Pair = (0.9, 0.999),
    eps: ArrayLike = 1e-8,
    weight_decay: ScalarOrSchedule = 0,
    amsgrad: bool = False,
    *,
    maximize: bool = False,
    decoupled_weight_decay: bool = False,
) -> GradientTransformation:
    r"""``torch.optim.Adam``.

    .. math:: W ← W - α \frac{m_t/(1-β_1^t)}{\sqrt{r_t/(1-β_2^t)} + ε}

    Args:
      lr: α ≥ 0 or a schedule.
      betas: β₁, β₂ in [0, 1).
      eps: ε ≥ 0.
      weight_decay: λ ≥ 0; λW is added to the gradient, before the moments.
      amsgrad: the largest r so far instead of r; of the raw one, where Optax takes the
        largest :math:`r_t/(1-β_2^t)`.
      maximize: climb.
      decoupled_weight_decay: add λW to the step instead: :func:`adamw`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Kingma & Ba, *Adam*, arXiv 1412.6980; Reddi, Kale & Kumar, *On the convergence of Adam
    and beyond*, arXiv 1904.09237.

    >>> import jax.numpy as jnp
    >>> tx, w = adam(0.1, weight_decay=0.5), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -0.1
    """
    moments = scale_by_amsgrad if amsgrad else scale_by_adam
    return _assemble(moments, lr, betas, eps, weight_decay, maximize, decoupled_weight_decay)


@_checked()
def adamw(
    lr: ScalarOrSchedule = 1e-3,
    betas: Pair = (0.9, 0.999),
    eps: ArrayLike = 1e-8,
    weight_decay: ScalarOrSchedule = 1e-2,
    amsgrad: bool = False,
    *,
    maximize: bool = False,
) -> GradientTransformation:
    r"""``torch.optim.AdamW``: :func:`adam` whose λW is added to the step, after the moments.

    Args:
      lr, betas, eps, amsgrad, maximize: see :func:`adam`.
      weight_decay: λ ≥ 0, 0.01 as in PyTorch; 0.0001 in Optax.

    Raises:
      ValueError: a hyperparameter out of its range.

    Loshchilov & Hutter, *Decoupled weight decay regularization*, arXiv 1711.05101.

    >>> import jax.numpy as jnp
    >>> tx, w = adamw(0.1, weight_decay=0.5), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -0.2
    """
    moments = scale_by_amsgrad if amsgrad else scale_by_adam
    return _assemble(moments, lr, betas, eps, weight_decay, maximize, True)


@_checked(momentum_decay=NONNEGATIVE)
def nadam(
    lr: ScalarOrSchedule = 2e-3,
    betas: Pair = (0.9, 0.999),
    eps: ArrayLike = 1e-8,
    weight_decay: ScalarOrSchedule = 0,
    momentum_decay: ArrayLike = 4e-3,
    decoupled_weight_decay: bool = False,
    *,
    maximize: bool = False,
) -> GradientTransformation:
    r"""``torch.optim.NAdam``: Dozat's, whose momentum warms up.

    .. math:: μ_t = β_1 (1 - \tfrac12 0.96^{tψ}), \quad P_t = \prod_{i ≤ t} μ_i, \qquad
       W ← W - α \frac{(1-μ_t)\,g_t/(1-P_t) + μ_{t+1}\,m_t/(1-P_{t+1})}{\sqrt{r_t/(1-β_2^t)} + ε}

    Args:
      lr: α ≥ 0 or a schedule.
      betas: β₁, β₂ in [0, 1).
      eps: ε ≥ 0.
      weight_decay: λ ≥ 0; λW is added to the gradient.
      momentum_decay: ψ ≥ 0.
      decoupled_weight_decay: add λW to the step instead.
      maximize: climb.

    Raises:
      ValueError: a hyperparameter out of its range.

    Dozat, *Incorporating Nesterov momentum into Adam*, ICLR workshop 2016.

    >>> import jax.numpy as jnp
    >>> tx = nadam(0.1)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    -0.1056
    """

    def moments(b1: ArrayLike, b2: ArrayLike, eps: ArrayLike) -> GradientTransformation:
        return scale_by_nadam(b1, b2, eps, momentum_decay)

    return _assemble(moments, lr, betas, eps, weight_decay, maximize, decoupled_weight_decay)


@_checked()
def radam(
    lr: ScalarOrSchedule = 1e-3,
    betas: Pair = (0.9, 0.999),
    eps: ArrayLike = 1e-8,
    weight_decay: ScalarOrSchedule = 0,
    decoupled_weight_decay: bool = False,
    *,
    maximize: bool = False,
) -> GradientTransformation:
    r"""``torch.optim.RAdam``.

    .. math:: W ← W - α\, \hat m_t\, ϱ_t \frac{\sqrt{1-β_2^t}}{\sqrt{r_t} + ε}
       \text{ if } ρ_t ≥ 5, \quad W ← W - α\, \hat m_t \text{ otherwise}

    .. math:: ρ_∞ = \frac{2}{1-β_2} - 1, \quad ρ_t = ρ_∞ - \frac{2 t β_2^t}{1-β_2^t}, \quad
       ϱ_t^2 = \frac{(ρ_t-4)(ρ_t-2) ρ_∞}{(ρ_∞-4)(ρ_∞-2) ρ_t}

    ε is added to the root of the raw second moment; in Optax, of the corrected one.

    Args:
      lr: α ≥ 0 or a schedule.
      betas: β₁, β₂ in [0, 1).
      eps: ε ≥ 0.
      weight_decay: λ ≥ 0; λW is added to the gradient.
      decoupled_weight_decay: add λW to the step instead.
      maximize: climb.

    Raises:
      ValueError: a hyperparameter out of its range.

    Liu et al., *On the variance of the adaptive learning rate and beyond*, arXiv 1908.03265.

    >>> import jax.numpy as jnp
    >>> tx = radam(0.1)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    -0.3
    """
    return _assemble(scale_by_radam, lr, betas, eps, weight_decay, maximize, decoupled_weight_decay)


@_checked()
def adamax(
    lr: ScalarOrSchedule = 2e-3,
    betas: Pair = (0.9, 0.999),
    eps: ArrayLike = 1e-8,
    weight_decay: ScalarOrSchedule = 0,
    *,
    maximize: bool = False,
) -> GradientTransformation:
    r"""``torch.optim.Adamax``; see :func:`regopt_jax.scale_by_adamax`.

    Args:
      lr: α ≥ 0 or a schedule.
      betas: β₁, β₂ in [0, 1).
      eps: ε ≥ 0.
      weight_decay: λ ≥ 0; λW is added to the gradient.
      maximize: climb.

    Raises:
      ValueError: a hyperparameter out of its range.

    Kingma & Ba, *Adam*, arXiv 1412.6980, section 7.

    >>> import jax.numpy as jnp
    >>> tx = adamax(0.1)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 4)
    -0.1
    """
    return _assemble(scale_by_adamax, lr, betas, eps, weight_decay, maximize)


def _assemble(
    moments: Callable[..., GradientTransformation],
    lr: ScalarOrSchedule,
    betas: Pair,
    eps: ArrayLike,
    weight_decay: ScalarOrSchedule,
    maximize: bool,
    decoupled: bool = False,
) -> GradientTransformation:
    b1, b2 = betas
    return chain(
        *gradient(0 if decoupled else weight_decay, maximize),
        moments(b1, b2, eps=eps),
        *decay(weight_decay if decoupled else 0),
        scale_by_learning_rate(lr),
    )
