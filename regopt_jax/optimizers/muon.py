"""Muon for matrices, AdamW for everything else."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from regopt_jax._core import ArrayLike, GradientTransformation, PyTree, ScalarOrSchedule, trees
from regopt_jax._core.decorator import transformation
from regopt_jax.combine import Mask, chain, partition
from regopt_jax.optimizers.adam import adamw
from regopt_jax.regularizers.gradients import add_decayed_weights
from regopt_jax.transforms.matrices import DimensionNumbers, dimension_numbers
from regopt_jax.transforms.orthogonal import STANDARD, Coefficients, Preconditioning
from regopt_jax.transforms.scale_by_learning_rate import scale_by_learning_rate
from regopt_jax.transforms.scale_by_muon import scale_by_muon
from regopt_jax.transforms.scale_by_shape import scale_by_shape

PRESETS: dict[str, Coefficients] = {
    "standard": STANDARD,
    "dion": (
        (4.0848, -6.8946, 2.9270),
        (3.9505, -6.3029, 2.6377),
        (3.7418, -5.5913, 2.3037),
        (2.8769, -3.1427, 1.2046),
        (2.8366, -3.0525, 1.2012),
    ),
}


@transformation(
    adam_b1="[0, 1)",
    adam_b2="[0, 1)",
    adam_eps_root="[0, inf)",
    adam_weight_decay="[0, inf)",
    adam_learning_rate="[0, inf) or None",
)
def muon(
    learning_rate: ScalarOrSchedule | None,
    ns_coeffs: Coefficients | Literal["standard", "dion"] = STANDARD,
    ns_steps: int = 5,
    beta: ArrayLike = 0.95,
    eps: ArrayLike = 1e-8,
    weight_decay: ScalarOrSchedule = 0.0,
    weight_decay_mask: Mask | None = None,
    mu_dtype: Any = None,
    *,
    nesterov: bool = True,
    adaptive: bool = False,
    preconditioning: Preconditioning = "frobenius",
    adam_b1: ArrayLike = 0.9,
    adam_b2: ArrayLike = 0.999,
    adam_eps_root: ArrayLike = 0.0,
    adam_weight_decay: ScalarOrSchedule = 0.0,
    adam_learning_rate: ScalarOrSchedule | None = None,
    muon_weight_dimension_numbers: DimensionNumbers | None = None,
    consistent_rms: ArrayLike | None = None,
) -> GradientTransformation:
    r"""Muon for matrices, AdamW for the other leaves.

    .. math:: W ← W - α \left(\sqrt{\max(1, n/m)}\,\mathrm{NS}(\hat M_t) + λ W\right)

    for m×n matrices W, x W being the layer; see :func:`scale_by_muon`.

    Args:
      learning_rate: α ≥ 0, a schedule, or ``None`` for no scaling.
      ns_coeffs: see :func:`scale_by_muon`; or ``"standard"`` or ``"dion"``.
      ns_steps, beta, eps, mu_dtype, nesterov, adaptive, preconditioning: see there.
      weight_decay: λ ≥ 0 or a schedule, of the matrices; multiplied by α.
      weight_decay_mask: which of them to decay; see :func:`masked`.
      adam_b1, adam_b2, adam_eps_root, adam_weight_decay: of :func:`adamw`, whose eps,
        mu_dtype and nesterov are those of the matrices.
      adam_learning_rate: of :func:`adamw`; α when ``None``.
      muon_weight_dimension_numbers: as in :func:`scale_by_muon`, with ``None`` for what
        AdamW takes; all leaves of rank 2 are matrices when ``None``.
      consistent_rms: ρ ≥ 0, for the factor :math:`ρ\sqrt{\max(m, n)}` instead.

    Raises:
      ValueError: a hyperparameter out of its range.

    Jordan et al., *Muon*, 2024; Liu et al., *Muon is scalable for LLM training*, arXiv
    2502.16982.

    >>> import numpy as np
    >>> import jax.numpy as jnp
    >>> tx, params = muon(0.1), {"kernel": jnp.eye(2), "bias": jnp.ones(2)}
    >>> updates, _ = tx.update(params, tx.init(params), params)
    >>> round(float(updates["kernel"][0, 0]), 3), round(float(updates["bias"][0]), 3)
    (-0.111, -0.147)
    """
    if isinstance(ns_coeffs, str) and ns_coeffs not in PRESETS:
        raise ValueError(f"muon: ns_coeffs must be one of {[*PRESETS]}, got {ns_coeffs!r}.")
    coefficients = PRESETS[ns_coeffs] if isinstance(ns_coeffs, str) else ns_coeffs

    return partition(
        {
            "muon": chain(
                scale_by_muon(
                    coefficients,
                    ns_steps,
                    beta,
                    eps,
                    mu_dtype,
                    nesterov=nesterov,
                    adaptive=adaptive,
                    preconditioning=preconditioning,
                    weight_dimension_numbers=muon_weight_dimension_numbers,
                ),
                scale_by_shape(muon_weight_dimension_numbers, consistent_rms),
                add_decayed_weights(weight_decay, weight_decay_mask),
                scale_by_learning_rate(learning_rate),
            ),
            "adam": adamw(
                learning_rate if adam_learning_rate is None else adam_learning_rate,
                adam_b1,
                adam_b2,
                eps,
                adam_eps_root,
                mu_dtype,
                adam_weight_decay,
                nesterov=nesterov,
            ),
        },
        matrix_labels("muon", muon_weight_dimension_numbers),
        all_used=False,
    )


def matrix_labels(name: str, given: DimensionNumbers | None = None) -> Callable[[PyTree], PyTree]:
    """A function that labels matrices ``name`` and other leaves ``"adam"``.

    A matrix is a leaf of rank 2 or, where dimension numbers are given, one that has some.
    """

    def labels(params: PyTree) -> PyTree:
        leaves, treedef = trees.flatten(params)
        if given is None:
            matrices = [x is not None and np.ndim(x) == 2 for x in leaves]
        else:
            matrices = [spec is not None for spec in dimension_numbers("muon", given, params)]
        pairs = zip(leaves, matrices, strict=True)
        return treedef.unflatten(
            [None if x is None else name if matrix else "adam" for x, matrix in pairs]
        )

    return labels
