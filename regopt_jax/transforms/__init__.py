"""Gradient transformations, a file for each name, beside the ideas that several share.

Under Optax's names there are also those of other packages here.
"""

from typing import Any

import optax

from regopt_jax._core import forward
from regopt_jax.transforms.adaptive_grad_clip import adaptive_grad_clip as adaptive_grad_clip
from regopt_jax.transforms.add_noise import add_noise as add_noise
from regopt_jax.transforms.apply_every import apply_every as apply_every
from regopt_jax.transforms.clip import clip as clip
from regopt_jax.transforms.clip_by_block_rms import clip_by_block_rms as clip_by_block_rms
from regopt_jax.transforms.clip_by_global_norm import clip_by_global_norm as clip_by_global_norm
from regopt_jax.transforms.ema import ema as ema
from regopt_jax.transforms.keep_params_nonnegative import (
    keep_params_nonnegative as keep_params_nonnegative,
)
from regopt_jax.transforms.monitor import monitor as monitor
from regopt_jax.transforms.trace import trace as trace
from regopt_jax.transforms.zero_nans import zero_nans as zero_nans


def __getattr__(name: str) -> Any:
    return forward.from_root(optax.transforms, name)
