"""Datasets, each a class found by its name, and the batches that they give."""
