r"""Second moments: steps of even size across unevenly scaled coordinates.

Each divides the gradient by a running measure :math:`\sqrt{r}` of its own
magnitude, coordinate by coordinate: a diagonal preconditioner. That divisor is the
transformation's *metric*, and each formula below states it once.
"""

from collections.abc import Callable

import jax.numpy as jnp
import optax

from regopt_jax import _hyperparams
from regopt_jax._core import GradientTransformation
from regopt_jax._leafwise import Step, leafwise
from regopt_jax._states import ScaleByRmsWithCountState, ScaleByRStdDevWithCountState
from regopt_jax._trees import Array, ArrayLike, abs_sq, full_like, zeros_like
from regopt_jax.transforms.momentum import bias, moving_average, unbiased


def _root(second_moment: Array, eps: ArrayLike, eps_in_sqrt: bool) -> Array:
    """√(r + ε) or √r + ε."""
    if eps_in_sqrt:
        return jnp.sqrt(second_moment + eps)
    return jnp.sqrt(second_moment) + eps


def _share(decay: ArrayLike, counted: bool) -> Callable[[Step], Array] | None:
    if not counted:
        return None
    return lambda step: bias(decay, optax.safe_increment(step.count))


def scale_by_rms(
    decay: ArrayLike = 0.99,
    eps: ArrayLike = 1e-8,
    initial_scale: ArrayLike = 0.0,
    eps_in_sqrt: bool = False,
    bias_correction: bool = False,
) -> GradientTransformation:
    r"""Divide each gradient by a running root-mean-square of itself (RMSProp).

    .. math:: r_t = γ r_{t-1} + (1-γ) g_t^2, \qquad u_t = g_t / (\sqrt{r_t} + ε)

    Args:
      decay: γ in [0, 1), and 1 without ``bias_correction``. The lecture's 0.99; Optax's
        default is 0.9.
      eps: ε ≥ 0.
      initial_scale: r₀ ≥ 0.
      eps_in_sqrt: divide by :math:`\sqrt{r_t + ε}` instead, Optax's default.
      bias_correction: divide :math:`r_t` by :math:`1-γ^t` first.

    Raises:
      ValueError: a hyperparameter out of its range.

    Hinton, Srivastava & Swersky, *Lecture 6e*, 2012.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_rms(decay=0.75)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 6)
    2.0
    """
    _hyperparams.check(
        "scale_by_rms",
        decay=(decay, "[0, 1)" if bias_correction else "[0, 1]"),
        eps=(eps, "[0, inf)"),
        initial_scale=(initial_scale, "[0, inf)"),
    )

    def init(p: Array) -> Array:
        return full_like(p, initial_scale)

    def metric(r: Array, share: Array | None = None) -> Array:
        return _root(r if share is None else unbiased(r, share), eps, eps_in_sqrt)

    def update(g: Array, r: Array, *share: Array) -> tuple[Array, Array]:
        r = moving_average(abs_sq(g), r, decay)
        return g / metric(r, *share), r

    return leafwise(
        update,
        name="scale_by_rms",
        role="precondition",
        hyperparams={
            "decay": decay,
            "eps": eps,
            "initial_scale": initial_scale,
            "eps_in_sqrt": eps_in_sqrt,
            "bias_correction": bias_correction,
        },
        state=ScaleByRmsWithCountState if bias_correction else optax.ScaleByRmsState,
        init=init,
        context=_share(decay, bias_correction),
        metric=metric,
    )


def scale_by_stddev(
    decay: ArrayLike = 0.99,
    eps: ArrayLike = 1e-8,
    initial_scale: ArrayLike = 0.0,
    eps_in_sqrt: bool = False,
    bias_correction: bool = False,
) -> GradientTransformation:
    r"""Divide each gradient by a running standard deviation of itself (centred RMSProp).

    .. math:: m_t = γ m_{t-1} + (1-γ) g_t, \quad r_t = γ r_{t-1} + (1-γ) g_t^2, \qquad
       u_t = g_t / (\sqrt{\max(r_t - m_t^2, 0)} + ε)

    The variance is never negative; rounding can make it so in Optax and PyTorch,
    whose result is then not a number.

    Args:
      decay: γ in [0, 1), and 1 without ``bias_correction``.
      eps: ε ≥ 0.
      initial_scale: r₀ ≥ 0.
      eps_in_sqrt: put ε under the root instead, Optax's default.
      bias_correction: divide both moments by :math:`1-γ^t` first.

    Raises:
      ValueError: a hyperparameter out of its range.

    Graves, *Generating sequences with recurrent neural networks*, arXiv 1308.0850.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_stddev(decay=0.5)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0]), 6)
    2.0
    """
    _hyperparams.check(
        "scale_by_stddev",
        decay=(decay, "[0, 1)" if bias_correction else "[0, 1]"),
        eps=(eps, "[0, inf)"),
        initial_scale=(initial_scale, "[0, inf)"),
    )

    def init(p: Array) -> tuple[Array, Array]:
        return zeros_like(p), full_like(p, initial_scale)

    def metric(m: Array, r: Array, share: Array | None = None) -> Array:
        if share is not None:
            m, r = unbiased(m, share), unbiased(r, share)
        return _root(jnp.maximum(r - abs_sq(m), 0), eps, eps_in_sqrt)

    def update(g: Array, m: Array, r: Array, *share: Array) -> tuple[Array, Array, Array]:
        m = moving_average(g, m, decay)
        r = moving_average(abs_sq(g), r, decay)
        return g / metric(m, r, *share), m, r

    return leafwise(
        update,
        name="scale_by_stddev",
        role="precondition",
        hyperparams={
            "decay": decay,
            "eps": eps,
            "initial_scale": initial_scale,
            "eps_in_sqrt": eps_in_sqrt,
            "bias_correction": bias_correction,
        },
        state=ScaleByRStdDevWithCountState if bias_correction else optax.ScaleByRStdDevState,
        init=init,
        context=_share(decay, bias_correction),
        metric=metric,
    )


def scale_by_rss(
    initial_accumulator_value: ArrayLike = 0.1,
    eps: ArrayLike = 1e-7,
    *,
    eps_in_sqrt: bool = True,
) -> GradientTransformation:
    r"""Divide each gradient by the root of the sum of all its squares so far (Adagrad).

    .. math:: s_t = s_{t-1} + g_t^2, \qquad u_t = g_t / \sqrt{s_t + ε}
       \quad\text{and } 0 \text{ where } s_t = 0

    Args:
      initial_accumulator_value: s₀ ≥ 0.
      eps: ε ≥ 0.
      eps_in_sqrt: divide by :math:`\sqrt{s_t} + ε` if not, as PyTorch does.

    Raises:
      ValueError: a hyperparameter out of its range.

    Duchi, Hazan & Singer, *Adaptive subgradient methods*, JMLR 12, 2011.

    >>> import jax.numpy as jnp
    >>> tx = scale_by_rss(initial_accumulator_value=7.0, eps=0.0)
    >>> float(tx.update(jnp.array(3.0), tx.init(jnp.array(0.0)))[0])
    0.75
    """
    _hyperparams.check(
        "scale_by_rss",
        initial_accumulator_value=(initial_accumulator_value, "[0, inf)"),
        eps=(eps, "[0, inf)"),
    )

    def init(p: Array) -> Array:
        return full_like(p, initial_accumulator_value)

    def metric(s: Array) -> Array:
        seen = jnp.where(s > 0, s, 1)
        return jnp.where(s > 0, _root(seen, eps, eps_in_sqrt), jnp.inf)

    def update(g: Array, s: Array) -> tuple[Array, Array]:
        s = s + abs_sq(g)
        return g / metric(s), s

    return leafwise(
        update,
        name="scale_by_rss",
        role="precondition",
        hyperparams={
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "eps_in_sqrt": eps_in_sqrt,
        },
        state=optax.ScaleByRssState,
        init=init,
        metric=metric,
    )
