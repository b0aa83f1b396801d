"""Every test runs with eight host devices, strict promotion and warnings as errors.

XLA compiles without LLVM's optimisations, in a quarter of the time; where a test is about
the program that users run, it compiles with ``tests.laws.runs.AS_USERS``.
"""

import os

QUICKLY = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
os.environ["XLA_FLAGS"] = f"{QUICKLY} {os.environ.get('XLA_FLAGS', '')}"

import jax  # noqa: E402  it reads the flags

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
