"""How objectives differ in one sweep: pairs of runs of the same P, D, K and seed, and what separates them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.estimates.peak import finished_runs
from analysis.fitting.resampling import student_half_width
from analysis.results.display_names import quantity_name, variant_name
from analysis.results.results import Results
from sweeps.cli.formatting import counted

SAME = ["P", "D", "K", "seed"]
COLUMNS = ["variant", "less", "quantity", "pairs", "difference", "low", "high", "objective", "less_objective"]


def at_the_end(results: Results) -> pd.DataFrame:
    """A row for each finished run and quantity: variant, P, D, K, seed, quantity, value. Quantities are the percent
    error and its factors over the last steps, and what was measured at the end."""
    runs = finished_runs(results)
    factors = runs.melt(["run_id", "variant", *SAME], ["percent_error", "reconstruction", "uniformity"], "quantity")
    measures = results.measures().merge(runs[["run_id", "variant", "steps", *SAME]], on="run_id")
    last = measures[measures["step"] == measures["steps"]]
    subject = last["subject"].where(last["subject"] == "", ", " + last["subject"])
    measured = last.assign(quantity=last["name"] + subject)[["run_id", "variant", *SAME, "quantity", "value"]]
    table = pd.concat([factors, measured], ignore_index=True)
    return table[["variant", *SAME, "quantity", "value"]].dropna(ignore_index=True)


def differences(results: Results) -> pd.DataFrame:
    """Each variant less the first one of `mmcr` (or the first of all), over all pairs of runs with the same P, D, K and
    seed: variant, less, quantity, pairs, difference, low, high (Student's t over pairs; NaN for one pair), and
    objective, less_objective, those of the two variants."""
    table, objectives = at_the_end(results), results.runs().groupby("variant")["objective"].first()
    names = list(dict.fromkeys(table["variant"]))
    base = next((name for name in names if objectives[name] == "mmcr"), names[0] if names else "")
    wide = table.pivot_table(index=["quantity", *SAME], columns="variant", values="value")
    rows = []
    for name in (name for name in names if name != base):
        apart = (wide[name] - wide[base]).dropna()
        for quantity, values in apart.groupby("quantity", sort=False):
            n = len(values)
            half = student_half_width(values.std(), n)
            mean = float(values.mean())
            of_both = objectives[name], objectives[base]
            rows.append((name, base, quantity, n, mean, mean - half, mean + half, *of_both))
    return pd.DataFrame(rows, columns=COLUMNS)


def describe_differences(compared: pd.DataFrame) -> list[str]:
    """A sentence for each variant: what is clearly higher, clearly lower, and what the intervals leave open."""
    sentences = []
    for (name, base), part in compared.groupby(["variant", "less"], sort=False):
        kinds = {
            "higher": part[part["low"] > 0],
            "lower": part[part["high"] < 0],
            "not clearly different": part[~((part["low"] > 0) | (part["high"] < 0))],
        }
        said = [
            f"{kind}: " + "; ".join(_quantity(row) for row in rows.itertuples())
            for kind, rows in kinds.items()
            if len(rows)
        ]
        against = f"{variant_name(str(name))} against {variant_name(str(base))}"
        sentences.append(f"{against}, {counted(int(part['pairs'].max()), 'pair')} of runs – {'. '.join(said)}.")
    return sentences


def _quantity(row: object) -> str:
    quantity, difference, low, high = (getattr(row, name) for name in ("quantity", "difference", "low", "high"))
    interval = f" ({low:+.3f} to {high:+.3f})" if np.isfinite(low) else ""
    return f"{quantity_name(str(quantity))} {difference:+.3f}{interval}"
