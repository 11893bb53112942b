"""HTML pages: the report of a sweep, the comparison of several."""
