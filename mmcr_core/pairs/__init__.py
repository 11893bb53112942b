"""Image-text pairs: glyphs, shards and parquet files, two towers, and what is measured of them."""
