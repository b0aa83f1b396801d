"""NorMuon for matrices, AdamW for everything else."""

from typing import Any

from regopt_jax._core import ArrayLike, GradientTransformation, ScalarOrSchedule, transformation
from regopt_jax.combine import Mask, chain, partition
from regopt_jax.optimizers.adam import adamw
from regopt_jax.optimizers.muon import matrix_labels
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_muon import scale_by_muon
from regopt_jax.transforms.scale_by_neuron_rms import scale_by_neuron_rms


@transformation(
    adam_b1="[0, 1)",
    adam_b2="[0, 1)",
    adam_weight_decay="[0, inf)",
    adam_learning_rate="[0, inf) or None",
)
def normuon(
    learning_rate: ScalarOrSchedule | None,
    beta: ArrayLike = 0.95,
    b2: ArrayLike = 0.95,
    eps: ArrayLike = 1e-8,
    weight_decay: ScalarOrSchedule = 0.0,
    weight_decay_mask: Mask | None = None,
    mu_dtype: Any = None,
    *,
    nesterov: bool = True,
    rms: ArrayLike = 0.2,
    adam_b1: ArrayLike = 0.9,
    adam_b2: ArrayLike = 0.999,
    adam_weight_decay: ScalarOrSchedule = 0.0,
    adam_learning_rate: ScalarOrSchedule | None = None,
) -> GradientTransformation:
    r"""Muon with neurons that move equally far (NorMuon) for matrices, AdamW for other leaves.

    .. math:: O_t = \mathrm{NS}(\hat M_t), \quad
       v_t = β_2 v_{t-1} + (1-β_2) \operatorname{mean}_{in}(O_t^2), \quad
       \hat O_t = \frac{O_t}{\sqrt{v_t} + ε}, \qquad
       W ← W - α \left(ρ \frac{\hat O_t}{\operatorname{RMS}(\hat O_t)} + λ W\right)

    with :func:`scale_by_muon`'s :math:`O_t` and :func:`scale_by_neuron_rms`; the neurons of a
    matrix W, x W being the layer, are its columns.

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      beta, eps, mu_dtype: see :func:`scale_by_muon`; ``eps`` and ``mu_dtype`` are
        :func:`adamw`'s too.
      b2: β₂ in [0, 1).
      weight_decay: λ ≥ 0 or a schedule, of the matrices; multiplied by α.
      weight_decay_mask: which of them to decay; see :func:`masked`.
      nesterov: look ahead by one more step of the momentum, as the authors' code does; their
        algorithm does not.
      rms: ρ > 0, the root-mean-square of each matrix's step over α; 0.2 is about Adam's.
      adam_b1, adam_b2, adam_weight_decay: of :func:`adamw`.
      adam_learning_rate: of :func:`adamw`; α when ``None``.

    Raises:
      ValueError: a hyperparameter out of its range.

    Li et al., *NorMuon: making Muon more efficient and scalable*, arXiv 2510.05491.

    >>> import jax.numpy as jnp
    >>> tx, params = normuon(0.1), {"kernel": jnp.eye(2), "bias": jnp.ones(2)}
    >>> updates, _ = tx.update(params, tx.init(params), params)
    >>> round(float(updates["kernel"][0, 0]), 3), round(float(updates["bias"][0]), 3)
    (-0.028, -0.1)
    """

    return partition(
        {
            "normuon": chain(
                scale_by_muon(beta=beta, eps=eps, mu_dtype=mu_dtype, nesterov=nesterov),
                scale_by_neuron_rms(b2, rms=rms),
                add_decayed_weights(weight_decay, weight_decay_mask),
                scale_by_learning_rate(learning_rate),
            ),
            "adam": adamw(
                learning_rate if adam_learning_rate is None else adam_learning_rate,
                adam_b1,
                adam_b2,
                eps,
                mu_dtype=mu_dtype,
                weight_decay=adam_weight_decay,
            ),
        },
        matrix_labels("normuon"),
        all_used=False,
    )
