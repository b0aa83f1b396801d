"""DoG and DoWG: gradient descent whose step size is the distance come so far."""

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import Mask, chain
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.identity import identity
from regopt_jax.transforms.scale_by_dog import InitStep, scale_by_dog
from regopt_jax.transforms.scale_by_dowg import scale_by_dowg
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate


@transformation()
def dog(
    learning_rate: ScalarOrSchedule | None = 1.0,
    init_step: InitStep = ("heuristic", 1e-6),
    eps: ArrayLike = 1e-8,
    weight_decay: ScalarOrSchedule | None = None,
    mask: Mask | None = None,
) -> GradientTransformation:
    r"""DoG, distance over gradients: gradient descent without a learning rate to tune.

    .. math:: W ← W - α \frac{\max_{k≤t} \lVert W_k - W_0\rVert}{\sqrt{\sum_{k≤t}
       \lVert g_k\rVert^2 + ε}}\, g_t

    Its authors evaluate an average of the parameters; see :func:`params_ema`.

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling, 1 by default.
      init_step: the first distance or step; see
        :func:`~regopt_jax.transforms.distance_to_start.scale_by_dog`.
      eps: ε ≥ 0.
      weight_decay: λ ≥ 0 or a schedule, coupled: λW joins the gradient.
      mask: which leaves to decay; see :func:`masked`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Ivgi, Hinder & Carmon, *DoG is SGD's best friend*, arXiv 2302.12022.

    >>> import jax.numpy as jnp
    >>> tx, w = dog(init_step=("distance", 0.5)), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -0.5
    """
    return chain(
        _coupled(weight_decay, mask),
        scale_by_dog(init_step, eps),
        scale_by_learning_rate(learning_rate),
    )


@transformation()
def dowg(
    learning_rate: ScalarOrSchedule | None = 1.0,
    init_estim_sq_dist: ArrayLike | None = None,
    eps: ArrayLike = 1e-4,
    weight_decay: ScalarOrSchedule | None = None,
    mask: Mask | None = None,
) -> GradientTransformation:
    r"""DoWG: :func:`dog` with each gradient weighted by the distance at its time.

    .. math:: W ← W - α \frac{d_t}{\sqrt{\sum_{k≤t} d_k \lVert g_k\rVert^2} + ε}\, g_t
       \quad\text{with}\quad d_t = \max_{k≤t} \lVert W_k - W_0\rVert^2

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling, 1 by default.
      init_estim_sq_dist: d₀ ≥ 0; ε when ``None``.
      eps: ε ≥ 0.
      weight_decay, mask: see :func:`dog`.

    Raises:
      ValueError: a hyperparameter out of its range.

    Khaled, Mishchenko & Jin, *DoWG unleashed*, arXiv 2305.16284.

    >>> import jax.numpy as jnp
    >>> tx, w = dowg(init_estim_sq_dist=0.25, eps=0.0), jnp.array(2.0)
    >>> round(float(tx.update(jnp.array(3.0), tx.init(w), w)[0]), 4)
    -0.5
    """
    return chain(
        _coupled(weight_decay, mask),
        scale_by_dowg(init_estim_sq_dist, eps),
        scale_by_learning_rate(learning_rate),
    )


def _coupled(weight_decay: ScalarOrSchedule | None, mask: Mask | None) -> GradientTransformation:
    return identity() if weight_decay is None else add_decayed_weights(weight_decay, mask)
