"""From measured errors to laws with intervals: of a cell, of the grid, of longer runs; and peaks."""
