"""Signs: steps whose every coordinate has the same size, whatever the gradient's.

Their metric is 1, that of the sign: under :func:`~regopt_jax.proximal` a penalty weighs against
the mean sign of the gradients, which is in [-1, 1], not against the gradients. So under
``l1(λ)`` with λ < 1 no weight whose gradient keeps its sign becomes zero, with λ > 1 all do.
"""

import jax.numpy as jnp

from regopt_jax._core import GradientTransformation, leafwise, transformation, unit_metric

MODES = ("hard", "smooth", "refined")


def check_mode(who: str, mode: str) -> None:
    """Require one of the modes.

    Raises:
      ValueError: another.
    """
    if mode not in MODES:
        raise ValueError(f"{who}: mode must be one of {MODES}, got {mode!r}.")


@transformation()
def scale_by_sign() -> GradientTransformation:
    r"""Replace each gradient by its sign, of a complex number :math:`g/|g|`.

    .. math:: u_t = \operatorname{sign}(g_t)

    The metric is 1: :func:`proximal` weighs a penalty against signs, not gradients.

    Bernstein et al., *signSGD: compressed optimisation for non-convex problems*,
    arXiv 1802.04434.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_sign()
    >>> tx.update(jnp.array([3.0, 0.0]), tx.init(jnp.zeros(2)))[0].tolist()
    [1.0, 0.0]
    """
    return leafwise(jnp.sign, role="precondition", metric=unit_metric)
