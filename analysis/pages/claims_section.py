"""The report's first section: the claims judged, of each objective apart, and of all runs together."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence

from analysis.pages.html_page import paragraph, section
from analysis.sweep_analysis import SweepAnalysis
from analysis.verdicts.registry import SUBJECT, Judgment, of_objective, of_sweep
from analysis.verdicts.rendering import number
from analysis.verdicts.verdict import Decision

ACROSS = "Of all runs of the sweep together:"
SEVERAL = "The paper's claims are of MMCR; here they are asked of each objective."


def claims_section(analysis: SweepAnalysis, pictures: list[str]) -> str:
    """Claims with verdicts, numbers, explanations and links to `pictures`; of several objectives each in a fold of its
    own, that of MMCR open."""
    runs = analysis.finished
    objectives, order = (
        sorted(runs["objective"].unique(), key=lambda name: (name != SUBJECT, name)),
        sorted(set(runs["variant"])),
    )
    parts = [paragraph(SEVERAL)] if len(objectives) > 1 else []
    for objective in objectives:
        judged = of_objective(analysis, objective)
        variants = runs.loc[runs["objective"] == objective, "variant"].unique()
        listed = judgment_list(judged, _own_pictures(pictures, {order.index(name) for name in variants}))
        parts.append(listed if len(objectives) == 1 else _fold(objective, judged, listed))
    together = [each for each in of_sweep(analysis) if each.verdict.decision is not Decision.NOT_TESTED]
    if together:
        parts.append(paragraph(ACROSS) + judgment_list(together, pictures))
    return section("What this sweep says of the paper's claims", "".join(parts))


def judgment_list(judged: Sequence[Judgment], pictures: list[str]) -> str:
    """A definition list of claims and what decided them."""
    items = []
    for claim, verdict, variant in judged:
        names = [stem for stem in pictures for figure in claim.figures if re.fullmatch(rf"{figure}(_\d+)?", stem)]
        links = ", ".join(f"<a href='#{name}'>{name}</a>" for name in names)
        said = ". ".join(filter(None, [number(verdict), verdict.explanation]))
        statement = f"{claim.statement} ({variant})" if variant else claim.statement
        items.append(
            f"<dt>{html.escape(statement)}: "
            f"<span class={verdict.decision.value.replace('_', '-')}>{verdict.decision.label}</span></dt>"
            f"<dd>{html.escape(said)} {f'Figures: {links}.' if links else ''}</dd>"
        )
    return f"<dl>{''.join(items)}</dl>"


def _own_pictures(pictures: list[str], numbers: set[int]) -> list[str]:
    """Those of some variants: where there are several, figures are numbered in their order."""
    numbered = re.compile(r"_(\d+)$")
    return [stem for stem in pictures if not (found := numbered.search(stem)) or int(found[1]) in numbers]


def _fold(objective: str, judged: Sequence[Judgment], listed: str) -> str:
    found = Counter(each.verdict.decision.label for each in judged)
    counts = ", ".join(f"{count} {label}" for label, count in found.items())
    opened = " open" if objective == SUBJECT else ""
    return f"<details{opened}><summary>{html.escape(objective)}: {counts}</summary>{listed}</details>"
