"""A replay as a table for people."""

from __future__ import annotations

import pandas as pd


def readable(table: pd.DataFrame, relative: bool) -> pd.DataFrame:
    """The table for people: shares in percent, and errors too if they are `relative`, else in units of the measure."""
    rms, largest = ("{:.2%}", "{:.1%}") if relative else ("{:.3f}", "{:.3f}")
    ranges = zip(table["share"], table["share_low"], table["share_high"], strict=True)
    return pd.DataFrame(
        {
            "policy": table["policy"],
            "share of compute (quartiles)": [f"{x:.1%} ({low:.1%} to {high:.1%})" for x, low, high in ranges],
            "rungs": table["rungs"].astype(int),
            "settings trained": table["trained"].astype(int),
            "predicted": table["predicted"].astype(int),
            "r.m.s. error": table["rms_error"].map(rms.format),
            "largest": table["largest_error"].map(largest.format),
            "inside 95%": [f"{x:.0%}" if x == x else "-" for x in table["coverage"]],
            "interval score": table["interval_score"].round(3),
        }
    )
