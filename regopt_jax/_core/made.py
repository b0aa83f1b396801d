"""What made an object: a public function, and the arguments it got.

From this follow the object's name, how it prints, its hyperparameters, what it equals, how it
is made again with other arguments and how it is written down. Nobody states any of these twice.

Two objects are equal if equal calls made them. Arrays are compared by value and type; what
has neither a hash nor a structure that can be looked into, a tracer, a closure or a foreign
object, is equal to itself alone. Comparing never fails.
"""

import contextlib
import contextvars
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ParamSpec, TypeVar, cast

import jax
import numpy as np

from regopt_jax._core.arguments import require_numbers
from regopt_jax._core.show import shown

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])

_running: contextvars.ContextVar[str] = contextvars.ContextVar("making", default="")


@contextlib.contextmanager
def running(name: str) -> Iterator[None]:
    """Within it, :func:`maker` is ``name``."""
    token = _running.set(name)
    try:
        yield
    finally:
        _running.reset(token)


def maker() -> str:
    """The public function whose body runs now: whose name errors of what it makes bear."""
    return _running.get()


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Made:
    """A call: a function and all its arguments, those left at their defaults included.

    Attributes:
      name: of the function.
      arguments: by the names of its parameters.
      function: what to call to make the same again; ``None`` for what was put together by
        hand, which equals itself alone.
    """

    name: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    function: Callable[..., Any] | None = None

    def again(self, **changes: Any) -> Any:
        """The result of the same call with some arguments changed.

        Raises:
          TypeError: an argument that the function does not take, or no function is known.
        """
        if self.function is None:
            raise TypeError(f"{self.name} was put together by hand: there is no call to repeat.")
        unknown = [name for name in changes if name not in self.arguments]
        if unknown:
            raise TypeError(
                f"{self.name} takes no {', '.join(unknown)}; its arguments are "
                f"{', '.join(self.arguments)}."
            )
        args, kwargs = self.call(changes)
        return self.function(*args, **kwargs)

    def call(self, changes: Mapping[str, Any] | None = None) -> tuple[tuple[Any, ...], Any]:
        """The positional and keyword arguments of the call."""
        assert self.function is not None
        arguments = {**self.arguments, **(changes or {})}
        bound = inspect.BoundArguments(signature(self.function), cast(Any, arguments))
        return bound.args, bound.kwargs

    @functools.cached_property
    def key(self) -> Any:
        """What equals the key of an equal call; hashable."""
        if self.function is None:
            return Itself(self)
        return self.function, tuple((name, key_of(x)) for name, x in self.arguments.items())

    @property
    def given(self) -> dict[str, Any]:
        """The arguments that differ from their defaults."""
        known = {} if self.function is None else signature(self.function).parameters

        def differs(name: str, value: Any) -> bool:
            return name not in known or key_of(value) != key_of(known[name].default)

        return {name: value for name, value in self.arguments.items() if differs(name, value)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Made) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return written(self.name, self.given, self.function)

    def __repr__(self) -> str:
        return written(self.name, self.arguments, self.function)


def written(name: str, arguments: Mapping[str, Any], function: Any = None) -> str:
    """A call as text."""
    several: set[str] = set()
    if function is not None:
        parameters = signature(function).parameters.values()
        several = {p.name for p in parameters if p.kind is p.VAR_POSITIONAL}
    parts: list[str] = []
    for key, value in arguments.items():
        parts += map(shown, value) if key in several else [f"{key}={shown(value)}"]
    return f"{name}({', '.join(parts)})"


@functools.cache
def signature(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function, looked up once."""
    return inspect.signature(function)


def bound(function: Callable[..., Any], args: Any, kwargs: Any) -> Mapping[str, Any]:
    """All arguments of a call by name, defaults included."""
    call = signature(function).bind(*args, **kwargs)
    call.apply_defaults()
    return call.arguments


class Itself:
    """A key that equals itself alone, and keeps its object alive so that it stays so."""

    def __init__(self, value: Any):
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Itself) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def key_of(value: Any) -> Any:
    """A hashable stand-in for a value, equal for equal values; see the head of this module."""
    if isinstance(value, jax.core.Tracer):
        return Itself(value)
    if isinstance(getattr(value, "made", None), Made):
        return value
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        return _key_of_array(value)
    if isinstance(value, bool | int | float | complex):
        return type(value), repr(value)  # 1 is not 1.0, 0.0 not -0.0; a NaN is itself
    if isinstance(value, np.dtype) or (isinstance(value, type) and hasattr(value, "dtype")):
        return np.dtype, jax.numpy.dtype(value).name
    if isinstance(value, tuple | list):
        return type(value), tuple(map(key_of, value))
    if isinstance(value, Mapping):
        return type(value), tuple((key_of(k), key_of(v)) for k, v in value.items())
    if isinstance(value, functools.partial):
        return functools.partial, tuple(map(key_of, (value.func, value.args, value.keywords)))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (getattr(value, f.name, None) for f in dataclasses.fields(value))
        return type(value), tuple(map(key_of, fields))
    try:
        hash(value)
    except TypeError:
        return Itself(value)
    return value


def _key_of_array(x: Any) -> Any:
    if isinstance(x, jax.Array) and jax.numpy.issubdtype(x.dtype, jax.dtypes.prng_key):
        return "key", str(x.dtype), _key_of_array(jax.random.key_data(x))
    if isinstance(x, jax.Array) and (x.is_deleted() or not x.is_fully_addressable):
        return Itself(x)
    whole = np.asarray(x)
    weak = isinstance(x, jax.Array) and x.weak_type
    return isinstance(x, jax.Array), weak, str(whole.dtype), whole.shape, whole.tobytes()


class Described:
    """A function that knows the call that made it: it prints, compares and pickles as that."""

    def __init__(self, function: Callable[..., Any], made: Made) -> None:
        functools.update_wrapper(self, function)
        self.made = made

    @property
    def description(self) -> str:
        """The call as text."""
        return str(self.made)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)  # type: ignore[attr-defined]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Described) and self.made == other.made

    def __hash__(self) -> int:
        return hash(self.made)

    def __reduce__(self) -> Any:
        return remake, (self.made.function, *self.made.call())

    def __repr__(self) -> str:
        return str(self.made)


def remake(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """A call repeated: what unpickling does."""
    return function(*args, **kwargs)


def described(make: Callable[P, F]) -> Callable[P, F]:
    """Let the functions that ``make`` returns know the calls that made them.

    >>> described(lambda x: lambda: x)(1)
    <lambda>(x=1)
    """

    @functools.wraps(make)
    def making(*args: P.args, **kwargs: P.kwargs) -> F:
        try:
            arguments = bound(make, args, kwargs)
        except TypeError:
            return make(*args, **kwargs)  # which says itself what is wrong
        require_numbers(make.__name__, make, arguments)
        function = make(*args, **kwargs)
        made = Made(make.__name__, arguments, making)
        return cast(F, Described(function, made))

    return making
