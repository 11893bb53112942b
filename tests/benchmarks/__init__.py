"""Measured ratios, both sides in one run: `make bench`, or `python -m tests.benchmarks NAME ...`."""
