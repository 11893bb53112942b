"""Where numbers come from: code, library versions, devices and seeds of runs."""

from __future__ import annotations

import json
from typing import NamedTuple

import pandas as pd


class Provenance(NamedTuple):
    """`mixed`: whether code or library versions differ; `versions`: JSON."""

    mixed: bool
    rows: pd.DataFrame
    versions: list[str]


def provenance(runs: pd.DataFrame) -> Provenance:
    """Where runs come from."""
    commits, versions = sorted(runs["git_commit"].unique()), sorted(runs["versions"].dropna().unique())
    rows = [
        ("git commit", ", ".join(commits)),
        ("devices", ", ".join(sorted(runs["device"].dropna().unique()))),
        ("seeds", ", ".join(map(str, sorted(runs["seed"].unique())))),
        ("precision", ", ".join(sorted(runs["precision"].unique()))),
        ("first start", _time(runs["started_at"].min())),
        ("last end", _time(runs["finished_at"].max())),
    ]
    pretty = [json.dumps(json.loads(version), indent=2) for version in versions]
    return Provenance(len(commits) > 1 or len(versions) > 1, pd.DataFrame(rows, columns=["what", "value"]), pretty)


def _time(at: pd.Timestamp) -> str:
    return "not known" if pd.isna(at) else f"{at:%Y-%m-%d %H:%M} UTC"
