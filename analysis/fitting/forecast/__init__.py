"""Prediction of a sweep's runs from each other: a joint scaling law plus a Gaussian process of what it leaves.

Pure functions of arrays, that a sweep's analysis, its replay and an adaptive launch call alike.
"""
