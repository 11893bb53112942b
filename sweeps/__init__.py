"""Orchestration: a YAML grid to run specs, Ray Tune over them, results into the parquet store."""
