"""Encoders, projectors, dual encoders, the EMA teacher, mixed precision."""
