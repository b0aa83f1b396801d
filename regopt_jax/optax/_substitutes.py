"""What of Optax is ours in the second face, and how it is called there."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import optax as theirs

import regopt_jax as ours
from regopt_jax._core.made import Described, Made
from regopt_jax._core.protocol import GradientTransformation, relabelled
from regopt_jax._core.tolerance import as_optax, kept
from regopt_jax.optax._warnings import warn
from regopt_jax.transforms.scale_by_dog import scale_by_dog
from regopt_jax.transforms.scale_by_dowg import scale_by_dowg
from regopt_jax.transforms.scale_by_shape import scale_by_shape

# Modules of Optax, and where the same names are here.
SPACES = (
    *((module, ours) for module in (theirs, theirs.contrib, theirs.transforms, theirs.schedules)),
    (theirs.experimental.aggregating, ours.experimental.aggregating),
)

# Parts of its optimisers that it does not export, beside one that it does.
PARTS = (
    (theirs.contrib.dog, (scale_by_dog, scale_by_dowg)),
    (theirs.contrib.muon, (scale_by_shape,)),
    (theirs.contrib.sophia, (ours.scale_by_sophia,)),
)

# The hyperparameters whose ranges Optax checks as well, by the beginnings of their names.
CHECKED = {
    "lookahead": ("sync_period",),
    "sam": ("sync_period",),
    "lbfgs": ("memory_size",),
    "scale_by_lbfgs": ("memory_size",),
    "reduce_on_plateau": ("factor", "rtol", "atol"),
    "cosine_decay_schedule": ("decay_steps",),
    "warmup_cosine_decay_schedule": ("decay_steps",),
    "sgdr_schedule": ("decay_steps",),
    "piecewise_constant_schedule": ("the scale",),
    "piecewise_interpolate_schedule": ("the scale",),
    "linear_onecycle_schedule": ("transition_steps",),
    "cosine_onecycle_schedule": ("transition_steps",),
}


@functools.cache
def substitutes() -> Mapping[int, Any]:
    """Ours, by the identity of Optax's."""
    shared = {
        id(original): (original, getattr(space, name))
        for module, space in SPACES
        for name, original in vars(module).items()
        if not name.startswith("_") and vars(space).get(name, original) is not original
    }
    for beside, parts in PARTS:
        originals = [beside.__globals__[part.__name__] for part in parts]
        shared.update({id(x): (x, part) for x, part in zip(originals, parts, strict=True)})
    table = {}
    for original, mine in shared.values():
        if inspect.isfunction(original):
            table[id(original)] = as_theirs(original, mine)
        elif inspect.isclass(original) and not issubclass(original, tuple):
            table[id(original)] = class_as_theirs(original, mine)
    for original, _ in shared.values():
        if isinstance(original, functools.partial):  # as nadam is of adam
            call = functools.partial(table[id(original.func)], *original.args, **original.keywords)
            table[id(original)] = call
    return table


# Where our own face follows a paper or PyTorch, what Optax does is an argument.
AS_THERE: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    "adan": lambda given: {"look_ahead": 1 - given["b2"]},
    "scale_by_adan": lambda given: {"look_ahead": 1 - given["b2"]},
    "reduce_on_plateau": lambda given: {"signed_margin": True},
}


def as_theirs(original: Callable[..., Any], mine: Callable[..., Any]) -> Callable[..., Any]:
    """Our function under the signature, the defaults and the tolerance of Optax's."""
    signature, name = inspect.signature(original), original.__name__
    more = AS_THERE.get(name, _nothing)

    @functools.wraps(original)
    def make(*args: Any, **kwargs: Any) -> Any:
        call = signature.bind(*args, **kwargs)
        call.apply_defaults()
        warn(name, call.arguments, stacklevel=2)
        with as_optax(CHECKED.get(name, ())):
            call.arguments.update(_own_defaults(signature, mine, call.arguments))
            made = mine(*call.args, **call.kwargs, **more(call.arguments))
            if isinstance(made, GradientTransformation):
                return relabelled(made, Made(name, call.arguments, make))
            if isinstance(made, Described):  # a schedule
                return Described(kept(made), Made(name, call.arguments, make))
        return made

    make.__module__ = _here(original)
    return make


def _own_defaults(
    signature: inspect.Signature, mine: Callable[..., Any], given: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Ours, made as there, in place of the transformations that Optax has as defaults."""
    defaults = {name: one.default for name, one in signature.parameters.items()}
    return {
        name: inspect.signature(mine).parameters[name].default.made.again()
        for name, default in defaults.items()
        if isinstance(default, theirs.GradientTransformation) and given[name] is default
    }


def _nothing(given: Mapping[str, Any]) -> Mapping[str, Any]:
    return {}


def class_as_theirs(original: type, mine: type) -> type:
    """The same of a class: its objects are made with the tolerance of Optax's."""
    signature = inspect.signature(original)

    class Tolerant(mine):
        def __init__(self, *args: Any, **kwargs: Any):
            call = signature.bind(*args, **kwargs)
            call.apply_defaults()
            with as_optax():
                super().__init__(*call.args, **call.kwargs)

    Tolerant.__name__ = Tolerant.__qualname__ = original.__name__
    Tolerant.__module__, Tolerant.__doc__ = _here(original), original.__doc__
    Tolerant.__signature__ = signature
    return Tolerant


def _here(original: Any) -> str:
    """The module of the face that stands for the one where Optax wrote it."""
    return str(original.__module__).replace(theirs.__name__, __package__, 1)
