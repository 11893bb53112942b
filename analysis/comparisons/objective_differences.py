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
COLUMNS = ["variant", "less", "quantity", "pairs", "difference", "low", "high", "images_low", "images_high"]
COLUMNS += ["objective", "less_objective"]
NUMBERS = ["value", "low", "high"]


def at_the_end(results: Results) -> pd.DataFrame:
    """A row for each finished run and quantity: variant, P, D, K, seed, quantity, value, low, high. Quantities are the
    percent error and its factors over the last steps (without an interval), and what was measured at the end."""
    runs = finished_runs(results)
    factors = runs.melt(["run_id", "variant", *SAME], ["percent_error", "reconstruction", "uniformity"], "quantity")
    measures = results.measures().merge(runs[["run_id", "variant", "steps", *SAME]], on="run_id")
    last = measures[measures["step"] == measures["steps"]]
    subject = last["subject"].where(last["subject"] == "", ", " + last["subject"])
    measured = last.assign(quantity=last["name"] + subject)[["variant", *SAME, "quantity", *NUMBERS]]
    table = pd.concat([factors.assign(low=np.nan, high=np.nan), measured], ignore_index=True)
    return table[["variant", *SAME, "quantity", *NUMBERS]].dropna(subset="value", ignore_index=True)


def differences(results: Results) -> pd.DataFrame:
    """Each variant less the first one of `mmcr` (or the first of all), over all pairs of runs with the same P, D, K and
    seed: variant, less, quantity, pairs, difference, low, high (Student's t over pairs; NaN for one pair, and where all
    are alike), images_low, images_high (an interval over test images, see `over_images`; NaN of the percent error and
    its factors), and objective, less_objective, those of the two variants."""
    table, objectives = at_the_end(results), results.runs().groupby("variant")["objective"].first()
    names = list(dict.fromkeys(table["variant"]))
    base = next((name for name in names if objectives[name] == "mmcr"), names[0] if names else "")
    wide = table.groupby(["quantity", *SAME, "variant"])[NUMBERS].mean().unstack("variant")
    rows = []
    for name in (name for name in names if name != base):
        one, other = (wide.xs(each, axis=1, level="variant") for each in (name, base))
        apart = (one["value"] - other["value"]).dropna()
        for quantity, values in apart.groupby("quantity", sort=False):
            n = len(values)
            half = student_half_width(values.std(), n)
            mean = float(values.mean())
            images = over_images(one.loc[values.index], other.loc[values.index])
            of_both = objectives[name], objectives[base]
            rows.append((name, base, quantity, n, mean, mean - half, mean + half, *images, *of_both))
    return pd.DataFrame(rows, columns=COLUMNS)


def over_images(one: pd.DataFrame, other: pd.DataFrame) -> tuple[float, float]:
    """Ends of a 95% interval of the mean of `one` less `other` (value, low, high of paired runs) for other test images.
    All runs share their images, so it does not shrink with the number of pairs.

    Source: Newcombe 1998, "Interval estimation for the difference between independent proportions", method 10. Two
    networks err on the same images more often than chance has it: the interval is wide rather than narrow.
    """
    apart = one["value"] - other["value"]
    down = np.hypot(one["value"] - one["low"], other["high"] - other["value"])
    up = np.hypot(one["high"] - one["value"], other["value"] - other["low"])
    return float((apart - down).mean()), float((apart + up).mean())


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
