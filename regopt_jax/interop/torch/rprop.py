"""Rprop: a step size for every element, grown while the gradient's sign holds."""

from regopt_jax._core import ArrayLike, GradientTransformation, transformation
from regopt_jax._core.numbers import pair
from regopt_jax.combine import chain
from regopt_jax.interop.torch._parts import NONNEGATIVE, Pair, gradient, known
from regopt_jax.transforms.descend import descend
from regopt_jax.transforms.scale_by_rprop import scale_by_rprop


@transformation(lr=NONNEGATIVE)
def rprop(
    lr: ArrayLike = 1e-2,
    etas: Pair = (0.5, 1.2),
    step_sizes: Pair = (1e-6, 50),
    *,
    maximize: bool = False,
) -> GradientTransformation:
    r"""``torch.optim.Rprop``; see :func:`regopt_jax.scale_by_rprop`.

    Args:
      lr: s₀ ≥ 0, a number.
      etas: η₋ in (0, 1) and η₊ > 1.
      step_sizes: the bounds of s, 0 ≤ s_min ≤ s_max.
      maximize: climb.

    Raises:
      ValueError: a hyperparameter out of its range.
      TypeError: ``lr`` is a schedule; the sizes follow the signs, not the count.

    Riedmiller & Braun, *A direct adaptive method for faster backpropagation learning*, ICNN 1993.

    >>> import jax.numpy as jnp
    >>> tx = rprop(0.25)
    >>> float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0])
    -0.25
    """
    eta = pair("rprop", "etas", etas)
    size = pair("rprop", "step_sizes", step_sizes)
    if known(eta) and not 0 < eta[0] < 1 < eta[1]:
        raise ValueError(f"rprop: etas must be in (0, 1) and (1, inf), got {etas!r}.")
    if known(size) and not 0 <= size[0] <= size[1]:
        raise ValueError(
            f"rprop: step_sizes must be in [0, inf), the smaller first, got {step_sizes!r}."
        )

    sizes = scale_by_rprop(lr, *eta, *size)
    return chain(*gradient(maximize=maximize), sizes, descend())
