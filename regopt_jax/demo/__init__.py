"""The main job: training a small convolutional network on real images.

Needs the ``demo`` extra; run as ``python -m regopt_jax``.
"""
