"""Other libraries: their semantics where they differ from Optax's, and their states."""
