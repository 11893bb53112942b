"""Tables and pages as files, written whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from sweeps.storage.files_and_urls import write_atomically


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a parquet file."""
    stream = io.BytesIO()
    frame.to_parquet(stream, index=False)
    write_atomically(path, stream.getvalue())


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a CSV file."""
    write_atomically(path, frame.to_csv(index=False).encode())


def write_page(html: str, path: Path) -> None:
    """Write an HTML page."""
    write_atomically(path, html.encode())
