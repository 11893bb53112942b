"""Parquet files of a user's own, or of the Hugging Face Hub: which files, their columns, labels and images."""
