"""regopt_jax against Optax and PyTorch, in one process."""
