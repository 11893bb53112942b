"""The report's first section: the paper's claims judged, of each objective apart."""

from __future__ import annotations

import html
import re
from collections import Counter

import pandas as pd

from analysis.laws.cell_law import chosen_form
from analysis.laws.diagonal_contrasts import of_form
from analysis.laws.grid_law import GridLaw
from analysis.pages.factor_claims import align_and_spread_claim, range_claim
from analysis.pages.html_page import paragraph, section
from analysis.pages.paper_claims import (
    Claim,
    grid_claim,
    law_claim,
    peak_claim,
    peak_left_claim,
    quoted_claim,
    same_slope_claim,
    slope_claim,
)

ACROSS = "Of all runs of the sweep together:"
SEVERAL = "The paper's claims are of MMCR; here they are asked of each objective."


def claims_section(
    finished: pd.DataFrame,
    peaks: pd.DataFrame,
    fits: pd.DataFrame,
    by_seed: pd.DataFrame,
    laws: dict[str, list[GridLaw]],
    changes: pd.DataFrame,
    pictures: list[str],
    of_the_whole: str = "",
) -> str:
    """Claims with verdicts, reasons and links to `pictures`; of several objectives each in a fold of its own, that of
    MMCR open.

    Args: finished, peaks, fits, by_seed: tables of all variants; laws: of the grid, by variant;
        changes: of `factor_changes`; of_the_whole: what `whole` says.
    """
    title, objectives = "What this sweep says of the paper's claims", finished["objective"].unique().tolist()
    order, parts = sorted(finished["variant"].unique()), []
    for objective in sorted(objectives, key=lambda name: (name != "mmcr", name)):
        own = finished[finished["objective"] == objective]
        names = set(own["variant"])
        claims = claims_of(
            own,
            peaks[peaks["variant"].isin(names)],
            fits[fits["variant"].isin(names)],
            by_seed[by_seed["variant"].isin(names)],
            {name: kinds for name, kinds in laws.items() if name in names},
            changes[changes["variant"].isin(names)],
        )
        listed = _listed(claims, _own_pictures(pictures, {order.index(name) for name in names}))
        parts.append(listed if len(objectives) == 1 else _fold(objective, claims, listed))
    return section(title, (paragraph(SEVERAL) if len(objectives) > 1 else "") + "".join(parts) + of_the_whole)


def whole(claims: list[Claim], pictures: list[str]) -> str:
    """Claims that compare objectives or data sets, judged of all runs together; nothing where there are none."""
    return paragraph(ACROSS) + _listed(claims, pictures) if claims else ""


def claims_of(
    finished: pd.DataFrame,
    peaks: pd.DataFrame,
    fits: pd.DataFrame,
    by_seed: pd.DataFrame,
    laws: dict[str, list[GridLaw]],
    changes: pd.DataFrame,
) -> list[Claim]:
    """The claims of the runs of one objective; arguments as above."""
    above = ("theory", chosen_form(fits)[1])
    claims = [range_claim(changes), peak_claim(finished, peaks), law_claim(fits), slope_claim(by_seed, above)]
    claims += [
        align_and_spread_claim(changes),
        quoted_claim(fits, by_seed),
        same_slope_claim(by_seed, above, of_form(fits, above)["trusted"].mean()),
    ]
    for kinds in laws.values():
        claims += [peak_left_claim(kinds), grid_claim(kinds)]
    return claims


def _own_pictures(pictures: list[str], numbers: set[int]) -> list[str]:
    """Those of some variants: where there are several, figures are numbered in their order."""
    number = re.compile(r"_(\d+)$")
    return [stem for stem in pictures if not (found := number.search(stem)) or int(found[1]) in numbers]


def _fold(objective: str, claims: list[Claim], listed: str) -> str:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in Counter(claim.verdict for claim in claims).items())
    opened = " open" if objective == "mmcr" else ""
    return f"<details{opened}><summary>{html.escape(objective)}: {counts}</summary>{listed}</details>"


def _listed(claims: list[Claim], pictures: list[str]) -> str:
    items = []
    for claim in claims:
        names = [stem for stem in pictures for figure in claim.figures if re.fullmatch(rf"{figure}(_\d+)?", stem)]
        links = ", ".join(f"<a href='#{name}'>{name}</a>" for name in names)
        kind = claim.verdict.replace(" ", "-")
        items.append(
            f"<dt>{html.escape(claim.statement)}: <span class={kind}>{claim.verdict}</span></dt>"
            f"<dd>{html.escape(claim.reason)} {f'Figures: {links}.' if links else ''}</dd>"
        )
    return f"<dl>{''.join(items)}</dl>"
