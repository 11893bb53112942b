"""Scientific claims and what sweeps say of each: a verdict is a value, computed from numbers; words are made last."""
