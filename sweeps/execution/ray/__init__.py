"""Ray Tune over the cells of a plan."""
