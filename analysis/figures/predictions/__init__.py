"""Figures of what is predicted: the compute frontier, cells of the grid, replays of adaptive sweeps."""
