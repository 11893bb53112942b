"""Training cells: the run executor, checkpoints, saved weights, stored measures, retries, continuation and backfill."""
