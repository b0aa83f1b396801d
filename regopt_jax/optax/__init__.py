"""Optax's face: every name of Optax, for code that exists.

``from regopt_jax import optax`` in place of ``import optax`` is the whole change, also of a
submodule (``from regopt_jax.optax.contrib import muon``), also for a library that cannot be
changed (``sys.modules["optax"] = regopt_jax.optax`` before it is imported).

Each transformation, optimiser, wrapper and schedule is ours, called with Optax's defaults and
without our strictness (:mod:`regopt_jax._core.tolerance`); types, states, losses, projections,
tree helpers and what else is not about optimisers are Optax's own. The modules are not written
down: :mod:`regopt_jax.optax._mirror` derives them from those of the Optax that is installed.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optax import *  # noqa: F403

from regopt_jax.optax import _mirror

_mirror.reflect(__name__)
