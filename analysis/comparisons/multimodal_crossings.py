"""At which batch size two objectives cross in what image-text runs end with, in a table and in sentences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis.comparisons.multimodal import ERROR, ZERO_SHOT
from analysis.fitting.crossing import Crossing, find_crossing
from analysis.results.display_names import variant_name

COMPARED = {
    ZERO_SHOT[0]: "zero-shot top-1",
    "recall_10": "recall at 10, mean of both directions",
    ERROR: "percent error",
}
LOWER_IS_BETTER = (ERROR,)
OF = ["setting", "D", "K", "measure", "subject"]
COLUMNS = ["variant", "against", "D", "K", "measure", "subject", "seeds", "least_P", "largest_P", "kind", "crossing"]
COLUMNS += ["low", "high", "ahead_below", "ahead_at", "behind_at"]


def crossings(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each pair of variants, D, K and measure of COMPARED that both have at two batch sizes or more.

    Args: table: of `multimodal.measurements`, of one budget.
    Returns: variant, against, D, K, measure, subject; seeds: pairs of runs behind each batch size; least_P, largest_P;
        kind: of `crossing.KINDS`; crossing, low, high: a batch size and its 95% interval; ahead_below: which of the
        two is ahead below it (of kind `never`: everywhere); ahead_at, behind_at: batch sizes, separated by spaces,
        where `variant` is clearly so. Every `mmcr` is compared with every other objective; without one, or with no
        other, the first variant with each. Seeds are paired: batch sizes with half as many pairs as others or fewer
        are left out, and then seeds that lack one.
    """
    rows = []
    for key, part in table[table["measure"].isin(COMPARED)].groupby(OF, sort=False):
        known = dict(zip(OF, key, strict=True))
        wide = part.pivot_table(index="seed", columns=["variant", "P"], values="value")
        for name, other in _pairs(part):
            paired = _paired(wide[name], wide[other])
            if paired.shape[1] > 1:
                better = -1 if known["measure"] in LOWER_IS_BETTER else 1
                sizes = paired.columns.to_numpy(float)
                found = find_crossing(np.log2(sizes), better * paired.to_numpy())
                rows.append(known | {"variant": name, "against": other} | _row(found, paired, name, other))
    listed = pd.DataFrame(rows, columns=COLUMNS)
    order = listed["measure"].map(list(COMPARED).index)
    return listed.assign(order=order).sort_values(["against", "variant", "D", "K", "order"], kind="stable")[COLUMNS]


def describe_crossings(compared: pd.DataFrame) -> list[str]:
    """A sentence for each row of `crossings`."""
    return [_sentence(row) for row in compared.to_dict("records")]


def _pairs(part: pd.DataFrame) -> list[tuple[str, str]]:
    objectives = dict(part[["variant", "objective"]].drop_duplicates().sort_values("variant").to_numpy().tolist())
    own = [name for name, objective in objectives.items() if objective == "mmcr"]
    first = own if own and len(own) < len(objectives) else list(objectives)[:1]
    return [(name, other) for name in first for other in objectives if other not in first]


def _paired(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    """Seeds by batch sizes: the differences of paired runs. Where no seed has all sizes, one row of mean differences,
    so that there is no interval."""
    apart = (ours - theirs).dropna(axis="columns", how="all")
    apart = apart.loc[:, apart.count() > apart.count().max() / 2].sort_index(axis="columns")
    whole = apart.dropna()
    return whole if len(whole) else apart.mean().to_frame().T


def _row(found: Crossing, paired: pd.DataFrame, name: str, other: str) -> dict[str, Any]:
    sizes, sign = list(paired.columns), np.sign(found.mean)
    below = sign[sign != 0][:1] if np.isfinite(found.location) or found.kind == "never" else []
    return {
        "seeds": len(paired), "least_P": sizes[0], "largest_P": sizes[-1], "kind": found.kind,
        "crossing": 2**found.location, "low": 2**found.low, "high": 2**found.high,
        "ahead_below": "" if len(below) == 0 else name if below[0] > 0 else other,
        "ahead_at": _listed(sizes, found.signs == 1), "behind_at": _listed(sizes, found.signs == -1),
    }  # fmt: skip


def _listed(sizes: list[int], where: Any) -> str:
    return " ".join(str(size) for size, there in zip(sizes, where, strict=True) if there)


def _sentence(row: dict[str, Any]) -> str:
    name, other = variant_name(row["variant"]), variant_name(row["against"])
    on = f" on {row['subject']}" if row["subject"] else ""
    where = f"{COMPARED[row['measure']]}{on}, D = {row['D']}, K = {row['K']}, {name} against {other}"
    spanned, seeds = f"P = {row['least_P']} to {row['largest_P']}", f"{row['seeds']} pairs of seeds"
    ahead = variant_name(row["ahead_below"])
    behind = other if ahead == name else name
    clear = "; ".join(
        f"{who} is clearly ahead at P = {', '.join(sizes.split())}"
        for who, sizes in ((name, row["ahead_at"]), (other, row["behind_at"])) if sizes
    ) or "neither is clearly ahead anywhere"  # fmt: skip
    means = f"the means cross at P = {row['crossing']:.0f}" if np.isfinite(row["crossing"]) else ""
    said = {
        "once": f"they cross at P = {row['crossing']:.0f} (95% {row['low']:.0f} to {row['high']:.0f}, {seeds}): "
        f"{ahead} is ahead below, {behind} above",
        "never": f"they do not cross in {spanned}: {ahead} is ahead at all of them ({seeds})",
        "more than once": f"they cross more than once in {spanned} ({seeds}): {clear}",
        "undecided": f"undecided whether they cross in {spanned} ({seeds}): {clear}{means and '; ' + means}",
        "no interval": "no two seeds have all batch sizes, so there is no interval and nothing is decided: "
        + (f"{means}, {ahead} is ahead below" if means else f"no single crossing of the means in {spanned}"),
    }
    return f"{where}: {said[row['kind']]}."
