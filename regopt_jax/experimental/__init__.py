"""What Optax keeps in ``optax.experimental``, under the names it has there."""

from regopt_jax.experimental import aggregating as aggregating
