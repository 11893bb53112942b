"""Renderings of verdicts: a number for people, Markdown of several sweeps, rows of the terminal, JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.results.results import Results
from analysis.verdicts.claim import Claim, Source
from analysis.verdicts.registry import Judgment, all_claims
from analysis.verdicts.verdict import Count, Effect, Verdict

SOURCES = {Source.PAPER: "The paper's", Source.OURS: "Ours"}
PLAIN_OVER = ("", "seeds")  # what an interval is over where that is not said
SETTINGS = (  # of the paper: named where no sweep has its data set
    ("stl10", "The same with ResNet-18 on STL-10, the paper's setting", "paper-stl10.yaml"),
    ("shards", "The same in zero-shot ImageNet accuracy after DataComp, the paper's setting", "datacomp-small.yaml"),
)
Judged = Mapping[str, Sequence[Judgment]]  # by the name of the sweep


def number(verdict: Verdict) -> str:
    """The counts and effects behind a verdict; empty where there are none."""
    return "; ".join([*map(_count, verdict.counts), *map(_effect, verdict.effects)])


def terminal(judged: Judged) -> pd.DataFrame:
    """A row per sweep and claim that has a number."""
    rows = [
        (name, each.claim.statement, each.verdict.decision.label, number(each.verdict))
        for name, judgments in judged.items()
        for each in judgments
        if each.verdict.measured
    ]
    return pd.DataFrame(rows, columns=["sweep", "claim", "verdict", "number (95 % interval)"])


def as_json(judged: Judged) -> str:
    """A list of objects, one per sweep and claim, also of claims that have no number; NaN is null."""
    rows = []
    for name, judgments in judged.items():
        for claim, verdict, _ in judgments:
            about = {key: getattr(claim, key) for key in ("id", "source", "statement", "figures", "script", "grid")}
            rows.append({"sweep": name} | about | dataclasses.asdict(verdict))
    return json.dumps(_without_nan(rows), indent=2)


def markdown(judged: Judged, sweeps: Sequence[Results] = ()) -> str:
    """A table with the verdicts of several sweeps, the paper's claims first; settings of the paper that none of
    `sweeps` has, and claims that none could judge, with the grid that could."""
    lines = ["| claim | on each sweep: verdict, number (95 % interval) | figure by |", "|---|---|---|"]
    for source, title in SOURCES.items():
        lines.append(f"| **{title}** | | |")
        lines += [_row(claim, judged) for claim in all_claims() if claim.source is source]
        if source is Source.PAPER and sweeps:
            datasets = {name for results in sweeps for name in results.runs()["dataset"].unique()}
            lines += [_untested(said, grid) for dataset, said, grid in SETTINGS if dataset not in datasets]
    return "\n".join(lines)


def _row(claim: Claim, judged: Judged) -> str:
    said = [
        f"{name}: **{verdict.decision.label}**, {number(verdict)}"
        for name, judgments in judged.items()
        for found, verdict, _ in judgments
        if found is claim and verdict.measured
    ]
    if not said:
        return _untested(claim.statement, claim.grid)
    return f"| {_escaped(claim.statement)} | {_escaped('<br>'.join(said))} | `{claim.script}` |"


def _untested(statement: str, grid: str) -> str:
    return f"| {_escaped(statement)} | not tested here | `launch.py sweeps/grids/{grid}` |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("_inf", "\\_inf")


def _count(count: Count) -> str:
    return f"{count.number} of {count.total} {count.what}"


def _effect(effect: Effect) -> str:
    sign = "+" if effect.signed else ""
    value, low, high = (f"{each:{sign}.{effect.digits}f}" for each in (effect.value, effect.low, effect.high))
    unit = f" {effect.unit}" if effect.unit else ""
    if math.isnan(effect.low):
        return f"{effect.what} {value}{unit}{f' ({effect.over})' if effect.over else ''}"
    over = "" if effect.over in PLAIN_OVER else f", {effect.over}"
    return f"{effect.what} {value}{unit} ({low} to {high}{over})"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return value.item() if hasattr(value, "item") else value
