"""What Optax keeps in ``optax.contrib``, under the names it has there.

Each is at the root of this package too; the state types are Optax's own.
"""

from optax.contrib import (
    COCOBState as COCOBState,
    DAdaptAdamWState as DAdaptAdamWState,
    DifferentiallyPrivateAggregateState as DifferentiallyPrivateAggregateState,
    DoGState as DoGState,
    DoWGState as DoWGState,
    GaLoreDimensionNumbers as GaLoreDimensionNumbers,
    GaLoreState as GaLoreState,
    HutchinsonState as HutchinsonState,
    MadgradState as MadgradState,
    MechanicState as MechanicState,
    MomoAdamState as MomoAdamState,
    MomoState as MomoState,
    MuonDimensionNumbers as MuonDimensionNumbers,
    MuonState as MuonState,
    NormalizeState as NormalizeState,
    ProdigyState as ProdigyState,
    ReduceLROnPlateauState as ReduceLROnPlateauState,
    SAMState as SAMState,
    ScaleByAdemamixState as ScaleByAdemamixState,
    ScaleBySimplifiedAdEMAMixState as ScaleBySimplifiedAdEMAMixState,
    ScheduleFreeState as ScheduleFreeState,
    SophiaState as SophiaState,
    SplitRealAndImaginaryState as SplitRealAndImaginaryState,
)

from regopt_jax.optimizers.ademamix import ademamix as ademamix
from regopt_jax.optimizers.adopt import adopt as adopt
from regopt_jax.optimizers.distance_to_start import dog as dog, dowg as dowg
from regopt_jax.optimizers.madgrad import madgrad as madgrad
from regopt_jax.optimizers.muon import muon as muon
from regopt_jax.optimizers.prodigy import prodigy as prodigy
from regopt_jax.optimizers.schedule_free import (
    schedule_free_adamw as schedule_free_adamw,
    schedule_free_sgd as schedule_free_sgd,
)
from regopt_jax.transforms.ademamix import scale_by_ademamix as scale_by_ademamix
from regopt_jax.transforms.adopt import scale_by_adopt as scale_by_adopt
from regopt_jax.transforms.madgrad import scale_by_madgrad as scale_by_madgrad
from regopt_jax.transforms.muon import scale_by_muon as scale_by_muon
from regopt_jax.transforms.normalize import normalize as normalize
from regopt_jax.wrappers.reduce_on_plateau import reduce_on_plateau as reduce_on_plateau
from regopt_jax.wrappers.sam import sam as sam
from regopt_jax.wrappers.schedule_free import (
    schedule_free as schedule_free,
    schedule_free_eval_params as schedule_free_eval_params,
)
from regopt_jax.wrappers.split_real_and_imaginary import (
    split_real_and_imaginary as split_real_and_imaginary,
)
