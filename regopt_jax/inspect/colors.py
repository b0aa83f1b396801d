"""Colours that readers of every kind of colour vision can tell apart, one for each optimiser."""

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
    known = name.split(",")[0]
    return OPTIMIZERS.get(known) or SCHEDULES.get(known) or PALETTE[index % len(PALETTE)]
