"""PyTorch's optimisers, with the names, arguments, defaults and arithmetic of ``torch.optim``.

They are chains of this package's transformations; PyTorch itself is never imported. Where
PyTorch takes a number for ``lr``, a schedule may stand, of the number of steps done. The
parameters are not an argument, nor is what selects an implementation (``foreach``, ``fused``,
``capturable``, ``differentiable``). Complex parameters follow Optax, whose second moments are
those of the modulus; PyTorch takes a complex number for two real ones.
"""

from regopt_jax._core import names
from regopt_jax.interop.torch.accumulated import adadelta as adadelta, adagrad as adagrad
from regopt_jax.interop.torch.adafactor import adafactor as adafactor
from regopt_jax.interop.torch.adam import (
    adam as adam,
    adamax as adamax,
    adamw as adamw,
    nadam as nadam,
    radam as radam,
)
from regopt_jax.interop.torch.asgd import asgd as asgd
from regopt_jax.interop.torch.muon import muon as muon
from regopt_jax.interop.torch.rprop import rprop as rprop
from regopt_jax.interop.torch.sgd import rmsprop as rmsprop, sgd as sgd
from regopt_jax.interop.torch.state_dict import from_torch as from_torch

names.suggest(__name__)
