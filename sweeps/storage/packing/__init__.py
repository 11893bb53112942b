"""Finished runs in a few files instead of thousands: what such files are, how they are made, how they are checked."""
