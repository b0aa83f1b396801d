"""The lecture's default for vision, in one line."""

from regopt_jax._core import ArrayLike, GradientTransformation, numbers, transformation
from regopt_jax.combine import chain, select
from regopt_jax.optimizers.adam import adamw
from regopt_jax.schedules.join import warmup_cosine_decay_schedule
from regopt_jax.transforms.clip_by_global_norm import clip_by_global_norm

MATRICES_AND_KERNELS = select(min_ndim=2, required=False)


@transformation(total_steps="[1, inf)", peak="[0, inf)", warmup_fraction="(0, 1)")
def recommended(
    total_steps: int,
    peak: ArrayLike = 1e-3,
    weight_decay: ArrayLike = 0.05,
    max_norm: ArrayLike = 1.0,
    warmup_fraction: float = 0.05,
) -> GradientTransformation:
    """Clipping, then AdamW with decay on matrices and kernels only, warmup and a cosine.

    Args:
      total_steps: the optimiser steps of the whole run.
      peak: the learning rate after the warmup.
      weight_decay: of leaves with two or more axes; biases and scales keep their size.
      max_norm: the largest global norm of a gradient.
      warmup_fraction: the share of the steps that the learning rate rises over, in (0, 1).

    Raises:
      ValueError: a hyperparameter out of its range.

    >>> import regopt_jax as ro
    >>> tx = ro.recommended(total_steps=1000, peak=1e-3)
    >>> [part.name for part in tx.parts]
    ['clip_by_global_norm', 'adamw']
    """
    # Rounded to steps it must leave one for the cosine.
    most = f"(0, {1 - 0.5 / float(total_steps)})"
    numbers.check("recommended", warmup_fraction=(warmup_fraction, most))
    learning_rate = warmup_cosine_decay_schedule(
        0.0, peak, decay_steps=total_steps, warmup_fraction=warmup_fraction
    )
    return chain(
        clip_by_global_norm(max_norm),
        adamw(learning_rate, weight_decay=weight_decay, mask=MATRICES_AND_KERNELS),
    )
