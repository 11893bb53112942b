"""Where numbers come from: code, library versions, devices and seeds of runs."""

from __future__ import annotations

import html
import json

import pandas as pd

from analysis.pages.html_page import paragraph, table


def provenance(runs: pd.DataFrame) -> str:
    """HTML of where runs come from, with a warning where code or library versions are mixed."""
    commits, versions = sorted(runs["git_commit"].unique()), sorted(runs["versions"].dropna().unique())
    mixed = len(commits) > 1 or len(versions) > 1
    warning = paragraph("Runs of different code or library versions are mixed here.", "warning") if mixed else ""
    rows = pd.DataFrame(
        [
            ("git commit", ", ".join(commits)),
            ("devices", ", ".join(sorted(runs["device"].dropna().unique()))),
            ("seeds", ", ".join(map(str, sorted(runs["seed"].unique())))),
            ("precision", ", ".join(sorted(runs["precision"].unique()))),
            ("first start", str(runs["started_at"].min())),
            ("last end", str(runs["finished_at"].max())),
        ],
        columns=["what", "value"],
    )
    listed = "".join(f"<pre>{html.escape(json.dumps(json.loads(version), indent=2))}</pre>" for version in versions)
    return warning + table(rows) + listed
