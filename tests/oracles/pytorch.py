"""PyTorch's own optimisers, driven by given gradients in float64."""

import numpy as np


def trajectory(build, parameters, gradients, learning_rate=None):
    """The parameters after each step of ``build(parameters)``.

    ``parameters`` is a list of arrays, ``gradients`` a list of such lists, and
    ``learning_rate`` an optional schedule of the number of steps done. Some scalars of the
    state have PyTorch's default dtype, float64 here.
    """
    import torch

    narrow = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return _trajectory(torch, build, parameters, gradients, learning_rate)
    finally:
        torch.set_default_dtype(narrow)


def _trajectory(torch, build, parameters, gradients, learning_rate):
    weights = [torch.nn.Parameter(torch.tensor(np.asarray(p))) for p in parameters]
    optimizer = build(weights)
    after = []
    for t, arrays in enumerate(gradients):
        for weight, g in zip(weights, arrays, strict=True):
            weight.grad = torch.tensor(np.asarray(g))
        for group in optimizer.param_groups:
            if learning_rate is not None:
                group["lr"] = learning_rate(t)
        optimizer.step()
        after.append([w.detach().numpy().copy() for w in weights])
    return after
