"""Independent oracles: the papers' formulas in NumPy, and PyTorch's own optimisers."""
