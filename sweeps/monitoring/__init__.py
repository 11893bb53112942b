"""What a person sees of a sweep: the live table, the summary, the status."""
