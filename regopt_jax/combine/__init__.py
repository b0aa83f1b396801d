"""Transformations made of others: chains, masks, partitions, and the selectors they use."""
