"""The laws every public transformation keeps, run over every row of ``tests/cases``."""
