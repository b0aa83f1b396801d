"""Colours that readers of every kind of colour vision can tell apart, one for each optimiser."""

from collections.abc import Iterable

# Okabe & Ito's colours.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

# The same optimiser has the same colour in every figure; three of Tol's among them.
OPTIMIZERS = {
    "recommended": "#0072B2",
    "adamw": "#0072B2",
    "adam": "#D55E00",
    "adam + L2": "#44AA99",
    "momentum": "#009E73",
    "sgd": "#000000",
    "rmsprop": "#CC79A7",
    "nesterov": "#56B4E9",
    "nadam": "#E69F00",
    "lion": "#882255",
    "adagrad": "#999933",
}

# And the same schedule.
SCHEDULES = {
    "constant": "#000000",
    "step": "#D55E00",
    "cosine": "#0072B2",
    "restarts": "#009E73",
    "warmup-cosine": "#56B4E9",
    "one-cycle": "#CC79A7",
    "wsd": "#E69F00",
}


def color_of(name: str, index: int = 0) -> str:
    """The colour of an optimiser or a schedule, or for any other series that of its place.

    What follows a comma does not matter: ``"adam, at 0.1"`` has Adam's colour.

    >>> color_of("adam"), color_of("adam, at 0.1"), color_of("something", 1)
    ('#D55E00', '#D55E00', '#D55E00')
    """
    return _own(name) or PALETTE[index % len(PALETTE)]


def colors_of(names: Iterable[str]) -> list[str]:
    """The colours of the series of one figure.

    As :func:`color_of`, but a series without a colour of its own, such as a new
    optimiser beside Adam, gets one that no other series of the figure has.

    >>> colors_of(["adam", "mine"]) == [color_of("adam"), PALETTE[2]]
    True
    """
    own = [_own(name) for name in names]
    taken = set(own)
    for i, color in enumerate(own):
        if color is None:
            turned = [PALETTE[(i + k) % len(PALETTE)] for k in range(len(PALETTE))]
            own[i] = next((c for c in turned if c not in taken), turned[0])
            taken.add(own[i])
    return [color for color in own if color is not None]


def _own(name: str) -> str | None:
    known = name.split(",")[0]
    return OPTIMIZERS.get(known) or SCHEDULES.get(known)
