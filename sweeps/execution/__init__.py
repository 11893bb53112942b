"""Training cells: the run executor, saved weights, stored measures, retries, continuation and backfill."""
