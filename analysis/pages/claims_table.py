"""The table of claims: what each sweep says of each, with its number and verdict, as Markdown between two markers."""

from __future__ import annotations

from analysis.pages.factor_claims import BOTH, RANGE
from analysis.pages.multimodal_claim import STATEMENT as SMALL_BATCHES
from analysis.pages.objective_claims import FAMILIES, INFORMATION
from analysis.pages.paper_claims import Claim
from analysis.reading.results import Results

BEGIN, END = "<!-- claims: written by analysis/claims.py -->", "<!-- end of claims -->"
PAPERS = (
    RANGE,
    "The percent error peaks at P = D",
    "Slopes are shallower at P = D",
    "The percent error falls as a pure power law in compute, in every cell",
    BOTH,
    INFORMATION,
    FAMILIES,
    SMALL_BATCHES,
)
DOORS = {
    "plot_double_descent.py": ("double_descent", "gap", "levels"),
    "plot_scaling.py": ("scaling", "exponents"),
    "plot_grid_law.py": ("collapse", "forecast"),
    "plot_objectives.py": ("objectives", "measures"),
    "plot_multimodal.py": ("multimodal",),
}
SETTINGS = {  # of the paper: named where no sweep is of them
    "The same with ResNet-18 on STL-10, the paper's setting": ("dataset", "stl10", "paper-stl10"),
    "The same in zero-shot ImageNet accuracy after DataComp, the paper's setting": (
        "dataset",
        "shards",
        "datacomp-small",
    ),
}


def markdown(claims: dict[str, list[Claim]], untested: list[tuple[str, str]]) -> str:
    """The table, the paper's claims first.

    Args: claims: of each sweep by its name; untested: claims that none of them can speak to, and the grid that could.
    """
    statements = list(dict.fromkeys(claim.statement for each in claims.values() for claim in each))
    papers = [statement for statement in PAPERS if statement in statements]
    lines = ["| claim | on each sweep: verdict, number (95 % interval) | figure by |", "|---|---|---|"]
    for whose, chosen in (("The paper's", papers), ("Ours", [name for name in statements if name not in PAPERS])):
        lines.append(f"| **{whose}** | | |")
        lines += [_row(statement, claims) for statement in chosen]
        if whose == "The paper's":
            lines += [f"| {statement} | not tested here | `launch.py {grid}` |" for statement, grid in untested]
    return "\n".join(lines)


def _row(statement: str, claims: dict[str, list[Claim]]) -> str:
    found = [(name, claim) for name, each in claims.items() for claim in each if claim.statement == statement]
    said = "<br>".join(f"{name}: **{claim.verdict}**, {claim.number}" for name, claim in found)
    door = next(door for door, figures in DOORS.items() if found[0][1].figures[0] in figures)
    return f"| {_escaped(statement)} | {_escaped(said)} | `{door}` |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("_inf", "\\_inf")


def untested(sweeps: list[Results]) -> list[tuple[str, str]]:
    """Settings of the paper that no sweep has, each with the grid that asks for it."""
    datasets = {name for results in sweeps for name in results.runs()["dataset"].unique()}
    return [(claim, f"sweeps/grids/{grid}.yaml") for claim, (_, name, grid) in SETTINGS.items() if name not in datasets]
