"""Regularisation and optimisation for JAX in one algebra of gradient transformations."""

import regopt_jax.demo.signals as _  # noqa: F401  Ctrl-C is one line, also while the rest is imported
from regopt_jax import (
    contrib as contrib,
    experimental as experimental,
    precision as precision,
    schedules as schedules,
    transforms as transforms,
)
from regopt_jax._core import names
from regopt_jax._core.decorator import transformation as transformation
from regopt_jax._core.lift import Step as Step, leafwise as leafwise, unit_metric as unit_metric
from regopt_jax._core.modes import Mode as Mode
from regopt_jax._core.nature import (
    SAME as SAME,
    Chain as Chain,
    Lens as Lens,
    Role as Role,
    Rule as Rule,
    Wrapper as Wrapper,
    fields as fields,
)
from regopt_jax._core.optax_names import *  # noqa: F403
from regopt_jax._core.packed import Packed as Packed, pack as pack
from regopt_jax._core.protocol import GradientTransformation as GradientTransformation
from regopt_jax._core.stored import stored as stored
from regopt_jax._core.untrained import trainable as trainable
from regopt_jax._core.vectors import apply_updates as apply_updates, global_norm as global_norm
from regopt_jax._core.walk import walk as walk
from regopt_jax._core.wrap import wrap as wrap
from regopt_jax.combine.chain import chain as chain, named_chain as named_chain
from regopt_jax.combine.masked import masked as masked
from regopt_jax.combine.partition import (
    assignment as assignment,
    label_by as label_by,
    multi_transform as multi_transform,
    partition as partition,
)
from regopt_jax.combine.select import Selector as Selector, select as select
from regopt_jax.inspect.describe import Description as Description, describe as describe
from regopt_jax.inspect.hyperparams import (
    hyperparams as hyperparams,
    learning_rate as learning_rate,
)
from regopt_jax.interop.json import from_json as from_json, to_json as to_json
from regopt_jax.optimizers.acprop import acprop as acprop
from regopt_jax.optimizers.adadelta import adadelta as adadelta
from regopt_jax.optimizers.adafactor import adafactor as adafactor
from regopt_jax.optimizers.adagrad import adagrad as adagrad
from regopt_jax.optimizers.adam import (
    adam as adam,
    adamw as adamw,
    nadam as nadam,
    nadamw as nadamw,
)
from regopt_jax.optimizers.adan import adan as adan
from regopt_jax.optimizers.ademamix import (
    ademamix as ademamix,
    simplified_ademamix as simplified_ademamix,
)
from regopt_jax.optimizers.adopt import adopt as adopt
from regopt_jax.optimizers.belief import adabelief as adabelief, yogi as yogi
from regopt_jax.optimizers.cocob import cocob as cocob
from regopt_jax.optimizers.dadapt_adamw import dadapt_adamw as dadapt_adamw
from regopt_jax.optimizers.distance_to_start import dog as dog, dowg as dowg
from regopt_jax.optimizers.dpsgd import dpsgd as dpsgd
from regopt_jax.optimizers.fromage import fromage as fromage
from regopt_jax.optimizers.galore import galore as galore
from regopt_jax.optimizers.large_batch import lamb as lamb, lars as lars
from regopt_jax.optimizers.lbfgs import lbfgs as lbfgs
from regopt_jax.optimizers.lion import lion as lion
from regopt_jax.optimizers.madgrad import madgrad as madgrad
from regopt_jax.optimizers.mars import mars as mars, scale_by_mars as scale_by_mars
from regopt_jax.optimizers.max_moment import (
    adamax as adamax,
    adamaxw as adamaxw,
    amsgrad as amsgrad,
)
from regopt_jax.optimizers.momo import momo as momo, momo_adam as momo_adam
from regopt_jax.optimizers.muon import muon as muon
from regopt_jax.optimizers.noisy_sgd import noisy_sgd as noisy_sgd
from regopt_jax.optimizers.normuon import normuon as normuon
from regopt_jax.optimizers.novograd import novograd as novograd
from regopt_jax.optimizers.optimistic import (
    optimistic_adam as optimistic_adam,
    optimistic_adam_v2 as optimistic_adam_v2,
    optimistic_gradient_descent as optimistic_gradient_descent,
)
from regopt_jax.optimizers.polyak_sgd import polyak_sgd as polyak_sgd
from regopt_jax.optimizers.prodigy import prodigy as prodigy
from regopt_jax.optimizers.radam import radam as radam
from regopt_jax.optimizers.recommended import recommended as recommended
from regopt_jax.optimizers.rmsprop import rmsprop as rmsprop
from regopt_jax.optimizers.rprop import rprop as rprop
from regopt_jax.optimizers.schedule_free import (
    schedule_free_adamw as schedule_free_adamw,
    schedule_free_sgd as schedule_free_sgd,
)
from regopt_jax.optimizers.sgd import sgd as sgd
from regopt_jax.optimizers.shampoo import shampoo as shampoo
from regopt_jax.optimizers.sign import sign_sgd as sign_sgd, signum as signum
from regopt_jax.optimizers.sm3 import sm3 as sm3
from regopt_jax.optimizers.soap import soap as soap
from regopt_jax.optimizers.sophia import sophia as sophia
from regopt_jax.optimizers.stable_adamw import stable_adamw as stable_adamw
from regopt_jax.precision.quantized import quantized as quantized, requantize as requantize
from regopt_jax.precision.weights import (
    kahan as kahan,
    master_weights as master_weights,
    stochastic_rounding as stochastic_rounding,
)
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
from regopt_jax.regularizers.penalties import Penalty as Penalty
from regopt_jax.regularizers.penalty import penalty as penalty
from regopt_jax.regularizers.proximal import constant_norm as constant_norm, proximal as proximal
from regopt_jax.regularizers.regularize import regularize as regularize
from regopt_jax.regularizers.spectral import nuclear_norm as nuclear_norm
from regopt_jax.schedules import (
    WrappedSchedule as WrappedSchedule,
    constant_schedule as constant_schedule,
    cosine_annealing as cosine_annealing,
    cosine_decay_schedule as cosine_decay_schedule,
    cosine_onecycle_schedule as cosine_onecycle_schedule,
    cosine_restarts as cosine_restarts,
    cyclic as cyclic,
    exponential_decay as exponential_decay,
    inverse_sqrt_schedule as inverse_sqrt_schedule,
    join_schedules as join_schedules,
    linear_onecycle_schedule as linear_onecycle_schedule,
    linear_schedule as linear_schedule,
    linear_warmup as linear_warmup,
    one_cycle as one_cycle,
    piecewise_constant_schedule as piecewise_constant_schedule,
    piecewise_interpolate_schedule as piecewise_interpolate_schedule,
    polynomial_schedule as polynomial_schedule,
    sgdr_schedule as sgdr_schedule,
    step_decay as step_decay,
    warmup_constant_schedule as warmup_constant_schedule,
    warmup_cosine_decay_schedule as warmup_cosine_decay_schedule,
    warmup_exponential_decay_schedule as warmup_exponential_decay_schedule,
    warmup_stable_decay_schedule as warmup_stable_decay_schedule,
)
from regopt_jax.solvers.optimality import optimality as optimality
from regopt_jax.solvers.proximal_gradient import (
    fista as fista,
    proximal_gradient as proximal_gradient,
)
from regopt_jax.solvers.regularization_path import regularization_path as regularization_path
from regopt_jax.training.export import (
    deserialize_step as deserialize_step,
    serialize_step as serialize_step,
)
from regopt_jax.training.packing import pack_state as pack_state, unpack_state as unpack_state
from regopt_jax.training.step import (
    TrainState as TrainState,
    TrainStep as TrainStep,
    train_step as train_step,
)
from regopt_jax.transforms.adaptive_grad_clip import adaptive_grad_clip as adaptive_grad_clip
from regopt_jax.transforms.add_noise import add_noise as add_noise
from regopt_jax.transforms.apply_every import apply_every as apply_every
from regopt_jax.transforms.bias_correction import bias_correction as bias_correction
from regopt_jax.transforms.centralize import centralize as centralize
from regopt_jax.transforms.clip import clip as clip
from regopt_jax.transforms.clip_by_block_rms import clip_by_block_rms as clip_by_block_rms
from regopt_jax.transforms.clip_by_global_norm import clip_by_global_norm as clip_by_global_norm
from regopt_jax.transforms.clip_by_leaf_norm import clip_by_leaf_norm as clip_by_leaf_norm
from regopt_jax.transforms.differentially_private_aggregate import (
    differentially_private_aggregate as differentially_private_aggregate,
)
from regopt_jax.transforms.ema import ema as ema
from regopt_jax.transforms.hutchinson_estimator_diag_hessian import (
    hutchinson_estimator_diag_hessian as hutchinson_estimator_diag_hessian,
)
from regopt_jax.transforms.identity import identity as identity
from regopt_jax.transforms.keep_params_nonnegative import (
    keep_params_nonnegative as keep_params_nonnegative,
)
from regopt_jax.transforms.lagging import (
    incremental_update as incremental_update,
    periodic_update as periodic_update,
)
from regopt_jax.transforms.mars_correction import mars_correction as mars_correction
from regopt_jax.transforms.monitor import (
    measure_with_ema as measure_with_ema,
    monitor as monitor,
    snapshot as snapshot,
)
from regopt_jax.transforms.normalize import normalize as normalize
from regopt_jax.transforms.normalize_by_update_norm import (
    normalize_by_update_norm as normalize_by_update_norm,
)
from regopt_jax.transforms.params_ema import params_ema as params_ema
from regopt_jax.transforms.per_example import (
    per_example_global_norm_clip as per_example_global_norm_clip,
    per_example_layer_norm_clip as per_example_layer_norm_clip,
)
from regopt_jax.transforms.reduce_on_plateau import reduce_on_plateau as reduce_on_plateau
from regopt_jax.transforms.scale import scale as scale
from regopt_jax.transforms.scale_by_acprop import scale_by_acprop as scale_by_acprop
from regopt_jax.transforms.scale_by_adadelta import scale_by_adadelta as scale_by_adadelta
from regopt_jax.transforms.scale_by_adam import scale_by_adam as scale_by_adam
from regopt_jax.transforms.scale_by_adamax import scale_by_adamax as scale_by_adamax
from regopt_jax.transforms.scale_by_adan import scale_by_adan as scale_by_adan
from regopt_jax.transforms.scale_by_ademamix import scale_by_ademamix as scale_by_ademamix
from regopt_jax.transforms.scale_by_adopt import scale_by_adopt as scale_by_adopt
from regopt_jax.transforms.scale_by_amsgrad import scale_by_amsgrad as scale_by_amsgrad
from regopt_jax.transforms.scale_by_backtracking_linesearch import (
    scale_by_backtracking_linesearch as scale_by_backtracking_linesearch,
)
from regopt_jax.transforms.scale_by_belief import scale_by_belief as scale_by_belief
from regopt_jax.transforms.scale_by_cocob import scale_by_cocob as scale_by_cocob
from regopt_jax.transforms.scale_by_distance_over_gradients import (
    scale_by_distance_over_gradients as scale_by_distance_over_gradients,
)
from regopt_jax.transforms.scale_by_factored_rms import (
    scale_by_factored_rms as scale_by_factored_rms,
)
from regopt_jax.transforms.scale_by_lbfgs import scale_by_lbfgs as scale_by_lbfgs
from regopt_jax.transforms.scale_by_learning_rate import (
    scale_by_learning_rate as scale_by_learning_rate,
)
from regopt_jax.transforms.scale_by_lion import scale_by_lion as scale_by_lion
from regopt_jax.transforms.scale_by_madgrad import scale_by_madgrad as scale_by_madgrad
from regopt_jax.transforms.scale_by_muon import scale_by_muon as scale_by_muon
from regopt_jax.transforms.scale_by_neuron_rms import scale_by_neuron_rms as scale_by_neuron_rms
from regopt_jax.transforms.scale_by_novograd import scale_by_novograd as scale_by_novograd
from regopt_jax.transforms.scale_by_optimistic_gradient import (
    scale_by_optimistic_gradient as scale_by_optimistic_gradient,
)
from regopt_jax.transforms.scale_by_param_block_norm import (
    scale_by_param_block_norm as scale_by_param_block_norm,
)
from regopt_jax.transforms.scale_by_param_block_rms import (
    scale_by_param_block_rms as scale_by_param_block_rms,
)
from regopt_jax.transforms.scale_by_polyak import scale_by_polyak as scale_by_polyak
from regopt_jax.transforms.scale_by_radam import scale_by_radam as scale_by_radam
from regopt_jax.transforms.scale_by_rms import scale_by_rms as scale_by_rms
from regopt_jax.transforms.scale_by_rprop import scale_by_rprop as scale_by_rprop
from regopt_jax.transforms.scale_by_rss import scale_by_rss as scale_by_rss
from regopt_jax.transforms.scale_by_schedule import scale_by_schedule as scale_by_schedule
from regopt_jax.transforms.scale_by_shampoo import scale_by_shampoo as scale_by_shampoo
from regopt_jax.transforms.scale_by_sign import scale_by_sign as scale_by_sign
from regopt_jax.transforms.scale_by_simplified_ademamix import (
    scale_by_simplified_ademamix as scale_by_simplified_ademamix,
)
from regopt_jax.transforms.scale_by_sm3 import scale_by_sm3 as scale_by_sm3
from regopt_jax.transforms.scale_by_soap import scale_by_soap as scale_by_soap
from regopt_jax.transforms.scale_by_sophia import scale_by_sophia as scale_by_sophia
from regopt_jax.transforms.scale_by_stddev import scale_by_stddev as scale_by_stddev
from regopt_jax.transforms.scale_by_trust_ratio import scale_by_trust_ratio as scale_by_trust_ratio
from regopt_jax.transforms.scale_by_yogi import scale_by_yogi as scale_by_yogi
from regopt_jax.transforms.scale_by_zoom_linesearch import (
    scale_by_zoom_linesearch as scale_by_zoom_linesearch,
)
from regopt_jax.transforms.should_skip import (
    skip_large_updates as skip_large_updates,
    skip_not_finite as skip_not_finite,
)
from regopt_jax.transforms.stateless import (
    stateless as stateless,
    stateless_with_tree_map as stateless_with_tree_map,
)
from regopt_jax.transforms.trace import trace as trace
from regopt_jax.transforms.zero_nans import zero_nans as zero_nans
from regopt_jax.wrappers.accumulate import MultiSteps as MultiSteps, accumulate as accumulate
from regopt_jax.wrappers.accumulate_into_moments import (
    accumulate_into_moments as accumulate_into_moments,
)
from regopt_jax.wrappers.apply_if_finite import apply_if_finite as apply_if_finite
from regopt_jax.wrappers.cautious import cautious as cautious
from regopt_jax.wrappers.clip_update_rms import clip_update_rms as clip_update_rms
from regopt_jax.wrappers.conditional import (
    conditionally_mask as conditionally_mask,
    conditionally_transform as conditionally_transform,
)
from regopt_jax.wrappers.extra_args import with_extra_args_support as with_extra_args_support
from regopt_jax.wrappers.flatten import flatten as flatten
from regopt_jax.wrappers.freeze import (
    freeze as freeze,
    selective_transform as selective_transform,
    set_to_zero as set_to_zero,
)
from regopt_jax.wrappers.inject import (
    inject_hyperparams as inject_hyperparams,
    inject_stateful_hyperparams as inject_stateful_hyperparams,
)
from regopt_jax.wrappers.lookahead import LookaheadParams as LookaheadParams, lookahead as lookahead
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

__version__ = "0.1.0"

names.suggest(__name__, renamed={"path": "regularization_path"})
