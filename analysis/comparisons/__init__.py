"""What differs between objectives, sweeps and image-text runs, with intervals."""
