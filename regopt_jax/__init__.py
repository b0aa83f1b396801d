"""Regularisation and optimisation for JAX in one algebra of gradient transformations."""

from regopt_jax._core import GradientTransformation as GradientTransformation
from regopt_jax._leafwise import Step as Step, leafwise as leafwise, unit_metric as unit_metric
from regopt_jax._packed import (
    Packed as Packed,
    pack as pack,
    pack_state as pack_state,
    unpack_state as unpack_state,
)
from regopt_jax._trees import apply_updates as apply_updates, global_norm as global_norm
from regopt_jax.combine.chain import chain as chain, named_chain as named_chain
from regopt_jax.combine.masked import masked as masked
from regopt_jax.combine.partition import (
    assignment as assignment,
    label_by as label_by,
    partition as partition,
)
from regopt_jax.combine.select import Selector as Selector, select as select
from regopt_jax.inspect.hyperparams import (
    hyperparams as hyperparams,
    learning_rate as learning_rate,
)
from regopt_jax.optimizers.adagrad import adagrad as adagrad
from regopt_jax.optimizers.adam import (
    adam as adam,
    adamw as adamw,
    nadam as nadam,
    nadamw as nadamw,
)
from regopt_jax.optimizers.lion import lion as lion
from regopt_jax.optimizers.recommended import recommended as recommended
from regopt_jax.optimizers.rmsprop import rmsprop as rmsprop
from regopt_jax.optimizers.sgd import sgd as sgd
from regopt_jax.regularizers.base import Regularizer as Regularizer
from regopt_jax.regularizers.constraints import (
    box as box,
    l1_ball as l1_ball,
    l2_ball as l2_ball,
    nonnegative as nonnegative,
    simplex as simplex,
    unit_columns as unit_columns,
)
from regopt_jax.regularizers.gradients import (
    add_decayed_weights as add_decayed_weights,
    coupled as coupled,
    decoupled as decoupled,
    penalize as penalize,
)
from regopt_jax.regularizers.groups import (
    group_lasso as group_lasso,
    sparse_group_lasso as sparse_group_lasso,
)
from regopt_jax.regularizers.nonconvex import (
    l0 as l0,
    l_half as l_half,
    l_two_thirds as l_two_thirds,
)
from regopt_jax.regularizers.norms import (
    elastic_net as elastic_net,
    huber_l1 as huber_l1,
    l1 as l1,
    l2 as l2,
)
from regopt_jax.regularizers.proximal import constant_norm as constant_norm, proximal as proximal
from regopt_jax.regularizers.regularize import regularize as regularize
from regopt_jax.regularizers.spectral import nuclear_norm as nuclear_norm
from regopt_jax.schedules.cosines import (
    cosine_decay_schedule as cosine_decay_schedule,
    cosine_restarts as cosine_restarts,
)
from regopt_jax.schedules.decays import (
    exponential_decay as exponential_decay,
    piecewise_constant_schedule as piecewise_constant_schedule,
    step_decay as step_decay,
)
from regopt_jax.schedules.join import (
    join_schedules as join_schedules,
    sgdr_schedule as sgdr_schedule,
    warmup_cosine_decay_schedule as warmup_cosine_decay_schedule,
)
from regopt_jax.schedules.shapes import (
    constant_schedule as constant_schedule,
    linear_schedule as linear_schedule,
    linear_warmup as linear_warmup,
    polynomial_schedule as polynomial_schedule,
)
from regopt_jax.solvers.optimality import optimality as optimality
from regopt_jax.solvers.path import path as path
from regopt_jax.solvers.proximal_gradient import (
    fista as fista,
    proximal_gradient as proximal_gradient,
)
from regopt_jax.training.step import (
    TrainState as TrainState,
    train_step as train_step,
    trainable as trainable,
)
from regopt_jax.transforms.adam import scale_by_adam as scale_by_adam
from regopt_jax.transforms.clip import clip as clip, clip_by_global_norm as clip_by_global_norm
from regopt_jax.transforms.momentum import (
    bias_correction as bias_correction,
    ema as ema,
    trace as trace,
)
from regopt_jax.transforms.scale import (
    identity as identity,
    scale as scale,
    scale_by_learning_rate as scale_by_learning_rate,
    scale_by_schedule as scale_by_schedule,
)
from regopt_jax.transforms.second_moment import (
    scale_by_rms as scale_by_rms,
    scale_by_rss as scale_by_rss,
    scale_by_stddev as scale_by_stddev,
)
from regopt_jax.transforms.sign import scale_by_lion as scale_by_lion
from regopt_jax.wrappers.accumulate import accumulate as accumulate
from regopt_jax.wrappers.skip_nonfinite import skip_not_finite as skip_not_finite

__version__ = "0.1.0"
