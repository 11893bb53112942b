"""From a result store to fits, figures and a report. Reads parquet only; imports neither torch nor ray."""
