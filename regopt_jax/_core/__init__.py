"""The words that nearly every transformation is written in.

``README.md`` beside this file tells in order what it stands on.
"""

from regopt_jax._core.arithmetic import abs_sq as abs_sq, zeros_like as zeros_like
from regopt_jax._core.decorator import transformation as transformation
from regopt_jax._core.foreign import as_transformation as as_transformation
from regopt_jax._core.lift import Step as Step, leafwise as leafwise, unit_metric as unit_metric
from regopt_jax._core.nature import fields as fields
from regopt_jax._core.protocol import GradientTransformation as GradientTransformation
from regopt_jax._core.schedule import (
    ScalarOrSchedule as ScalarOrSchedule,
    Schedule as Schedule,
    value_at as value_at,
)
from regopt_jax._core.trees import Array as Array, ArrayLike as ArrayLike, PyTree as PyTree
from regopt_jax._core.wrap import wrap as wrap
