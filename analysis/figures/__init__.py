"""Figures, drawn from tables on given axes."""
