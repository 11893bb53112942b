"""Training cells: the run executor, its artifacts, retries, continuation and backfill."""
