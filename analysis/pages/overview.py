"""The top of a report: sentences, and a strip of what was run, where and when."""

from __future__ import annotations

import json
from collections import Counter

import pandas as pd

from analysis.pages.html_page import rounded
from analysis.results.display_names import DATASETS, ENCODERS
from analysis.sweep_analysis import SweepAnalysis
from analysis.verdicts.registry import judgments
from analysis.verdicts.verdict import Decision
from sweeps.cli.formatting import counted, duration
from sweeps.storage.run_status import RunStatus

PEAK = "peak_at_p_equal_d"  # id of a claim


def overview(runs: pd.DataFrame, price: float | None = None) -> str:
    """How many runs of what, and what they cost, however they ended; `price`: of a GPU-hour, or a core-hour without."""
    ended = runs["status"].value_counts()
    text = ", ".join(f"{count} {status}" for status, count in ended.items())
    said = f"{counted(len(runs), 'run')} ({text})" if len(ended) > 1 else counted(len(runs), f"{ended.index[0]} run")
    sets, encoders = (
        ", ".join(names.get(name, name) for name in sorted(runs[column].unique()))
        for column, names in (("dataset", DATASETS), ("encoder", ENCODERS))
    )
    hours = float((runs["wall_seconds"] * runs["versions"].map(_devices)).sum()) / 3600
    spent = f"{hours:.2f}" if hours >= 0.01 else rounded(hours)
    cost = f"{rounded(float(runs['flops'].sum()))} FLOPs in {spent} device-hours"
    paid = "" if price is None else f" ({hours * price:,.2f} at {price:g} each)"
    return f"{said} of {encoders} on {sets}: {cost}{paid}."


def _devices(versions: object) -> float:
    """GPUs or shares of one, or CPU cores, that a run held; older rows do not say what share of a GPU it was."""
    facts = json.loads(versions) if isinstance(versions, str) else {}
    return float(facts.get("devices") or (facts.get("threads", 1) if facts.get("device") == "cpu" else 1))


def findings(analysis: SweepAnalysis) -> list[str]:
    """Two sentences on what the finished runs say: where the error peaks, and how many claims they decide."""
    judged = judgments(analysis)
    peaks = [each.verdict.counts for each in judged if each.claim.id == PEAK and each.verdict.counts]
    sentences = [
        f"In {largest.number} of {counted(largest.total, 'line')} of the grid (one P or one D each) the percent error "
        f"is largest at P = D; {peak.number} of {peak.total} have a peak that noise does not explain."
        for largest, peak in peaks
        if largest.total
    ]
    decided = Counter(each.verdict.decision for each in judged)
    del decided[Decision.NOT_TESTED]
    said = [f"{decided[kind]} {kind.label}" for kind in Decision if decided[kind]]
    if said:
        sentences.append(f"Verdicts on {counted(decided.total(), 'claim')}: {', '.join(said)}.")
    return sentences


def strip(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """Runs, failures, compute, hardware, dates and commits, each as a few words."""
    finished = runs[runs["status"] == RunStatus.FINISHED]
    failures = runs.loc[runs["status"] != RunStatus.FINISHED, "status"].value_counts()
    first, last = runs["started_at"].min(), runs["finished_at"].max()
    return [
        ("Runs", f"{len(finished):,} finished"),
        ("Failures", ", ".join(f"{count} {status}" for status, count in failures.items()) or "none"),
        ("Compute", f"{rounded(float(finished['flops'].sum()))} FLOPs"),
        ("Device time", duration(float(finished["wall_seconds"].sum()))),
        ("Hardware", ", ".join(sorted(runs["device"].dropna().unique())) or "not known"),
        ("Dates", _dates(first, last)),
        ("Commit", ", ".join(commit[:10] for commit in sorted(runs["git_commit"].unique()))),
    ]


def _dates(first: object, last: object) -> str:
    days = [str(each)[:10] for each in (first, last) if not pd.isna(each)]
    return " to ".join(dict.fromkeys(days)) or "not known"
