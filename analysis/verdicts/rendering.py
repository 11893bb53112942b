"""Renderings of verdicts: a number for people, Markdown in full and in symbols, rows of the terminal, JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.results.results import Results
from analysis.verdicts.claim import Claim, Source
from analysis.verdicts.registry import Judgment, all_claims
from analysis.verdicts.verdict import Decision, Effect, Verdict

SOURCES = {Source.PAPER: "The paper's claims", Source.OURS: "Our claims"}
SYMBOLS = {Decision.CONFIRMED: "✓", Decision.REFUTED: "✗", Decision.UNDECIDED: "?", Decision.NOT_TESTED: ""}
SHORT = 2  # digits of a number beside a symbol
WIDTH = 100  # of lines of prose
OVER = "interval over"
PLAIN_OVER = ("", "seeds")  # what an interval is over where that is not said
SETTINGS = (  # of the paper: named where no sweep has its data set
    ("stl10", "The same with ResNet-18 on STL-10, the paper's setting", "paper-stl10.yaml"),
    ("shards", "The same in zero-shot ImageNet accuracy after DataComp, the paper's setting", "datacomp-small.yaml"),
)
Judged = Mapping[str, Sequence[Judgment]]  # by the name of the sweep


def number(verdict: Verdict) -> str:
    """The counts and effects behind a verdict; empty where there are none."""
    return "; ".join([*map(str, verdict.counts), *map(_effect, verdict.effects)])


def terminal(judged: Judged) -> pd.DataFrame:
    """A row per sweep and claim that has a number."""
    rows = [
        (name, each.claim.name, each.verdict.decision.label, number(each.verdict))
        for name, judgments in judged.items()
        for each in judgments
        if each.verdict.measured
    ]
    return pd.DataFrame(rows, columns=["sweep", "claim", "verdict", "number (95% interval)"])


def as_json(judged: Judged) -> str:
    """A list of objects, one per sweep and claim, also of claims that have no number; NaN is null."""
    rows = []
    for name, judgments in judged.items():
        for claim, verdict, _ in judgments:
            about = {
                key: getattr(claim, key) for key in ("id", "name", "source", "statement", "figures", "script", "grid")
            }
            rows.append({"sweep": name} | about | dataclasses.asdict(verdict))
    return json.dumps(_without_nan(rows), indent=2)


def markdown(judged: Judged, sweeps: Sequence[Results] = ()) -> str:
    """A section for each claim with its verdict and numbers by sweep, the paper's claims first; then the settings of
    the paper that none of `sweeps` has, and the claims that none could judge, with the grid that could."""
    lines = []
    for source, title in SOURCES.items():
        lines += [f"### {title}", ""]
        for claim in _of(source):
            if rows := _measured(claim, judged):
                common, table = _table(rows)
                said = f"**{_escaped(claim.name)}.** {_escaped(claim.statement)}"
                lines += [f"{said} (figure by `{claim.script}`{common})", "", *table, ""]
    untested = _untested(judged, sweeps)
    if untested:
        lines += ["### Not tested", "", "| claim | launch |", "|---|---|"]
        lines += [f"| {_escaped(said)} | `sweeps/grids/{grid}` |" for said, grid in untested]
    return "\n".join(lines).rstrip()


def symbols(judged: Judged) -> str:
    """A row for each claim that some sweep could judge, a numbered column for each sweep: a symbol, and the number that
    decides. As narrow as a terminal."""
    names = [name for name, found in judged.items() if any(one.verdict.measured for one in found)]
    sweeps = ", ".join(f"{i}\N{NO-BREAK SPACE}{name}" for i, name in enumerate(names, 1))
    lines = [*textwrap.wrap(f"Sweeps: {sweeps}.", WIDTH, break_on_hyphens=False), ""]
    for source, title in SOURCES.items():
        if source is Source.PAPER:  # the first
            lines.append(f"| {title} | {' | '.join(map(str, range(1, len(names) + 1)))} |")
            lines.append("|---|" + ":-:|" * len(names))
        else:
            lines.append(f"| **{title}** |" + " |" * len(names))
        for claim in _of(source):
            if rows := _measured(claim, judged):
                cells = (_symbol(claim, rows[name]) if name in rows else "" for name in names)
                lines.append(f"| {_escaped(claim.name)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _of(source: Source) -> list[Claim]:
    return [claim for claim in all_claims() if claim.source is source]


def _table(rows: Mapping[str, Verdict]) -> tuple[str, list[str]]:
    """What all intervals are over, or nothing where it differs; a row for each sweep, a column for each number that any
    of them has and, where it differs, what intervals are over."""
    cells = {name: _cells(verdict) for name, verdict in rows.items()}
    columns = list(dict.fromkeys(column for each in cells.values() for column in each if column != OVER))
    overs = {each[OVER] for each in cells.values()}
    if len(overs) > 1:
        columns.append(OVER)
    table = [
        [name, verdict.decision.label, *(cells[name].get(column, "") for column in columns)]
        for name, verdict in rows.items()
    ]
    head, *lines = (f"| {' | '.join(map(_escaped, row))} |" for row in (["sweep", "verdict", *columns], *table))
    common = f"; {OVER} {overs.pop()}" if len(overs) == 1 and "" not in overs else ""
    return common, [head, "|" + "---|" * (2 + len(columns)), *lines]


def _cells(verdict: Verdict) -> dict[str, str]:
    """Heading -> number, of each count and effect."""
    counts = {one.what: f"{one.number}/{one.total} {one.detail}".rstrip() for one in verdict.counts}
    effects = {}
    for one in verdict.effects:
        value, low, high = numbers(one)
        of = f" ({one.unit})" if one.unit else ""
        effects[f"{one.what.rstrip(':,')}{of}"] = value if math.isnan(one.low) else f"{value} [{low}, {high}]"
    over = ", ".join(dict.fromkeys(one.over for one in verdict.effects if one.over))
    return counts | effects | {OVER: over}


def _measured(claim: Claim, judged: Judged) -> dict[str, Verdict]:
    """By the name of the sweep."""
    return {
        name: verdict
        for name, judgments in judged.items()
        for found, verdict, _ in judgments
        if found is claim and verdict.measured
    }


def _untested(judged: Judged, sweeps: Sequence[Results]) -> list[tuple[str, str]]:
    """What no sweep could judge, with its grid."""
    datasets = {name for results in sweeps for name in results.runs()["dataset"].unique()}
    paper = [(said, grid) for dataset, said, grid in SETTINGS if sweeps and dataset not in datasets]
    return paper + [(claim.name, claim.grid) for claim in all_claims() if not _measured(claim, judged)]


def _symbol(claim: Claim, verdict: Verdict) -> str:
    symbol = SYMBOLS[verdict.decision]
    if verdict.counts and not (claim.effect_first and verdict.effects):
        return f"{symbol} {verdict.counts[0].number}/{verdict.counts[0].total}"
    effect = verdict.effects[0]
    rounded = dataclasses.replace(effect, digits=min(effect.digits, SHORT))
    return f"{symbol} {numbers(rounded)[0]}{unit(effect)}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("_inf", "\\_inf")


def _effect(effect: Effect) -> str:
    value, low, high = numbers(effect)
    value += unit(effect)
    if math.isnan(effect.low):
        return f"{effect.what} {value}{f' ({effect.over})' if effect.over else ''}"
    over = "" if effect.over in PLAIN_OVER else f", {effect.over}"
    return f"{effect.what} {value} ({low} to {high}{over})"


def unit(effect: Effect) -> str:
    """What stands behind the number: ` nats`, `%` or nothing."""
    return f"{'' if effect.unit == '%' else ' '}{effect.unit}" if effect.unit else ""


def numbers(effect: Effect) -> tuple[str, str, str]:
    """Value and interval as they are shown."""
    sign = "+" if effect.signed else ""
    value, low, high = (f"{each:{sign}.{effect.digits}f}" for each in (effect.value, effect.low, effect.high))
    return value, low, high


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    return value.item() if hasattr(value, "item") else value
