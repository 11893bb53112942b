"""A small grid that tests of grid files change, and its reading from a file."""

import textwrap

from sweeps.config.grid_file import load_grid

BASE = """
    name: base
    dataset: digits
    P: 16
    D: 8
    K: 2
    budget: {steps: 5}
"""


def load(tmp_path, text):
    path = tmp_path / "grid.yaml"
    path.write_text(textwrap.dedent(text))
    return load_grid(path)
