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

from regopt_jax.optimizers.acprop import acprop as acprop
from regopt_jax.optimizers.ademamix import (
    ademamix as ademamix,
    simplified_ademamix as simplified_ademamix,
)
from regopt_jax.optimizers.adopt import adopt as adopt
from regopt_jax.optimizers.cocob import cocob as cocob
from regopt_jax.optimizers.dadapt_adamw import dadapt_adamw as dadapt_adamw
from regopt_jax.optimizers.distance_to_start import dog as dog, dowg as dowg
from regopt_jax.optimizers.dpsgd import dpsgd as dpsgd
from regopt_jax.optimizers.galore import galore as galore
from regopt_jax.optimizers.madgrad import madgrad as madgrad
from regopt_jax.optimizers.momo import momo as momo, momo_adam as momo_adam
from regopt_jax.optimizers.muon import muon as muon
from regopt_jax.optimizers.prodigy import prodigy as prodigy
from regopt_jax.optimizers.schedule_free import (
    schedule_free_adamw as schedule_free_adamw,
    schedule_free_sgd as schedule_free_sgd,
)
from regopt_jax.optimizers.sophia import sophia as sophia
from regopt_jax.transforms.differentially_private_aggregate import (
    differentially_private_aggregate as differentially_private_aggregate,
)
from regopt_jax.transforms.hutchinson_estimator_diag_hessian import (
    hutchinson_estimator_diag_hessian as hutchinson_estimator_diag_hessian,
)
from regopt_jax.transforms.normalize import normalize as normalize
from regopt_jax.transforms.reduce_on_plateau import reduce_on_plateau as reduce_on_plateau
from regopt_jax.transforms.scale_by_acprop import scale_by_acprop as scale_by_acprop
from regopt_jax.transforms.scale_by_ademamix import scale_by_ademamix as scale_by_ademamix
from regopt_jax.transforms.scale_by_adopt import scale_by_adopt as scale_by_adopt
from regopt_jax.transforms.scale_by_cocob import scale_by_cocob as scale_by_cocob
from regopt_jax.transforms.scale_by_madgrad import scale_by_madgrad as scale_by_madgrad
from regopt_jax.transforms.scale_by_muon import scale_by_muon as scale_by_muon
from regopt_jax.transforms.scale_by_simplified_ademamix import (
    scale_by_simplified_ademamix as scale_by_simplified_ademamix,
)
from regopt_jax.wrappers.mechanize import mechanize as mechanize
from regopt_jax.wrappers.sam import sam as sam
from regopt_jax.wrappers.scale_by_galore import scale_by_galore as scale_by_galore
from regopt_jax.wrappers.schedule_free import (
    schedule_free as schedule_free,
    schedule_free_eval_params as schedule_free_eval_params,
)
from regopt_jax.wrappers.split_real_and_imaginary import (
    split_real_and_imaginary as split_real_and_imaginary,
)
