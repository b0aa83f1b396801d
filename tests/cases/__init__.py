"""One row for every public transformation and each of its variants; the laws run over all.

A row is data: how to build ours, its oracles, what it refuses, and where it honestly
differs from the others. A new transformation needs an export and a row here.
"""

from tests.cases.adaptive import ADAPTIVE
from tests.cases.around import AROUND
from tests.cases.beyond import BEYOND
from tests.cases.case import Case as Case
from tests.cases.combine import COMBINATIONS
from tests.cases.contrib import CONTRIB
from tests.cases.curvature import CURVATURE
from tests.cases.layerwise import LAYERWISE
from tests.cases.optimizers import OPTIMIZERS
from tests.cases.private import PRIVATE
from tests.cases.proximal import PROXIMAL
from tests.cases.regularizers import REGULARIZERS
from tests.cases.searches import SEARCHES
from tests.cases.torch_semantics import TORCH
from tests.cases.transforms import TRANSFORMS
from tests.cases.wrappers import WRAPPERS

CASES = [
    *TRANSFORMS,
    *REGULARIZERS,
    *PROXIMAL,
    *COMBINATIONS,
    *WRAPPERS,
    *OPTIMIZERS,
    *TORCH,
    *BEYOND,
    *LAYERWISE,
    *ADAPTIVE,
    *CONTRIB,
    *AROUND,
    *CURVATURE,
    *PRIVATE,
    *SEARCHES,
]

_first = {case.make.func: case for case in reversed(CASES)}
PRINCIPAL = [case for case in CASES if _first[case.make.func] is case]
