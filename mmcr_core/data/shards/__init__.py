"""Tar shards of image-text pairs, read in any order and resumed exactly."""
