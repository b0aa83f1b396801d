"""The lecture's claims as experiments: functions of a number of seeds that return arrays.

Each module holds one idea; :mod:`regopt_jax.inspect` draws what they return, and the
notebooks show both.
"""
