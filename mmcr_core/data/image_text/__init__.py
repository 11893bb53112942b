"""Image-text pairs: glyphs, parquet files and shards, their captions, their batches."""
