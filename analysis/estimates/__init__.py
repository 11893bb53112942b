"""Fits applied to a sweep: peaks, per-cell and joint scaling laws, forecasts, recommendations."""
