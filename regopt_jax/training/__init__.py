"""The jitted training step."""
