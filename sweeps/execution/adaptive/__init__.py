"""Sweeps that stop when they know enough: rungs of runs, chosen one after the other, until a target is met."""
