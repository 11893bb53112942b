"""Orchestration: a YAML grid to run specs, Ray Tune over them, results into the parquet store."""

import logging

import mmcr_core as mmcr_core  # first: it says how OpenMP's threads wait, which torch reads once

logging.getLogger("sweeps").addHandler(logging.NullHandler())  # silent until somebody asks, as -v does
