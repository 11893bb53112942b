"""One self-contained HTML page of a sweep: what it says of the paper's claims, figures, tables, provenance."""

from __future__ import annotations

import base64
import html
import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from analysis import plot_double_descent, plot_scaling
from analysis.command import RESULTS, app, user_errors
from analysis.tables import Results, open_results, write_file

EXAMPLE = "Example: python analysis/report.py results/quickstart"
cli = app()

PAGE = """<!doctype html>
<html lang=en><head><meta charset=utf-8><meta name=viewport content="width=device-width,initial-scale=1">
<title>{title}</title><style>{style}</style></head>
<body>
{body}
<script>{script}</script></body></html>
"""
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1b1b1b;max-width:70rem;margin:0 auto;padding:1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px solid #ccc}
img{max-width:100%;height:auto}.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem}
th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #e3e3e3;white-space:nowrap}
th{cursor:pointer;background:#f4f4f4}th:focus{outline:2px solid #0072B2}.text{text-align:left}
dt{font-weight:600}dd{margin:0 0 .6rem 1rem}.confirmed{color:#00694d}.refuted{color:#b00020}.undecided{color:#8a5a00}
.warning{background:#fff4d6;padding:.5rem .8rem}pre{background:#f4f4f4;padding:.6rem;overflow-x:auto}
"""
SORT = """
document.querySelectorAll('th').forEach(th=>{th.tabIndex=0;const go=()=>{
const i=[...th.parentNode.children].indexOf(th),body=th.closest('table').tBodies[0],up=th.dataset.up!=='1';
th.dataset.up=up?'1':'0';const key=r=>{const t=r.cells[i].dataset.value??r.cells[i].textContent,n=Number(t);
return t!==''&&!isNaN(n)?n:t};[...body.rows].sort((a,b)=>{const x=key(a),y=key(b);
return (x>y?1:x<y?-1:0)*(up?1:-1)}).forEach(r=>body.appendChild(r))};
th.onclick=go;th.onkeydown=e=>{if(e.key==='Enter')go()}});
"""


@cli.command(epilog=EXAMPLE)
@user_errors
def main(
    results: RESULTS,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Default: RESULTS/report.html.")] = None,
) -> None:
    """Write the report of a sweep."""
    opened = open_results(results)
    target = output or opened.root / "report.html"
    page = render(opened)
    write_file(target, page.encode())
    print(target)


def render(results: Results) -> str:
    """The page. Figures and fits are made anew, so that they match the store."""
    runs = results.runs()
    finished = runs[runs["status"] == "finished"]
    title = f"Sweep {runs['sweep'].iloc[0]}"
    parts = [f"<h1>{html.escape(title)}</h1>", _overview(runs)]
    if not finished.empty:
        with tempfile.TemporaryDirectory() as folder:
            peaks = plot_double_descent.find_peaks(results)
            descent = plot_double_descent.figures(results, Path(folder))
            scaling, fits = plot_scaling.figures(results, Path(folder))
            parts += [_section("What this sweep says of the paper's claims", _claims(peaks, fits))]
            parts += [_section("Double descent", _images(descent) + _table(plot_double_descent.summary(peaks)))]
            parts += [_section("Scaling with compute", _images(scaling))]
        shown = fits.drop(columns=["axis", "scale"]).round(4)
        parts.append(_section("Power laws, error = E + A x<sup>-α</sup>", _table(shown)))
    columns = ["variant", "P", "D", "K", "seed", "steps", "flops", "percent_error", "heldout_percent_error"]
    columns += [
        "probe_accuracy",
        "reconstruction",
        "uniformity",
        "images_per_second",
        "wall_seconds",
        "run_id",
    ]
    parts.append(_section("Runs", _table(finished[columns])))
    bad = runs[runs["status"] != "finished"]
    if not bad.empty:
        failed = bad[["variant", "P", "D", "K", "seed", "status", "error", "run_id"]]
        parts.append(_section("Cells that did not finish", _table(failed)))
    parts += [_section("Provenance", _provenance(runs)), _section("How to reproduce", _reproduce(results))]
    return PAGE.format(title=html.escape(title), style=STYLE, body="\n".join(parts), script=SORT)


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _overview(runs: pd.DataFrame) -> str:
    counts = runs["status"].value_counts().to_dict()
    finished = runs[runs["status"] == "finished"]
    text = ", ".join(f"{count} {status}" for status, count in counts.items())
    sets, encoders = ", ".join(sorted(runs["dataset"].unique())), ", ".join(sorted(runs["encoder"].unique()))
    hours = finished["wall_seconds"].sum() / 3600
    return (
        f"<p>{len(runs)} runs ({html.escape(text)}) of {html.escape(encoders)} on {html.escape(sets)}: "
        f"{finished['flops'].sum():.3g} FLOPs in {hours:.2f} device-hours.</p>"
    )


def _claims(peaks: pd.DataFrame, fits: pd.DataFrame) -> str:
    """Each claim of Schaeffer et al. 2024 that a sweep can speak to: confirmed, refuted or undecided, and why."""
    claims = [_peak_claim(peaks), _law_claim(fits), _slope_claim(fits)]
    items = [
        f"<dt>{claim}: <span class={verdict}>{verdict}</span></dt><dd>{html.escape(reason)}</dd>"
        for claim, verdict, reason in claims
    ]
    return f"<dl>{''.join(items)}</dl>"


def _peak_claim(peaks: pd.DataFrame) -> tuple[str, str, str]:
    claim = "The percent error peaks at P = D"
    found = peaks[peaks["found"]]
    at_diagonal = int((peaks["largest_at"] == 0).sum())
    reason = (
        f"in {at_diagonal} of {len(peaks)} rows and columns of the grid the largest error is at P = D; "
        f"{len(found)} of them have a peak with lower errors on both sides, "
        f"{int((found['largest_at'] == 0).sum())} of these at P = D."
    )
    if found.empty:
        return claim, "undecided", reason
    off = int((found["largest_at"] != 0).sum())
    return claim, "confirmed" if off == 0 else "refuted" if off > len(found) / 2 else "undecided", reason


def _law_claim(fits: pd.DataFrame) -> tuple[str, str, str]:
    claim = "The percent error falls as a power law in compute, in every cell"
    plain = fits[fits["floor"] == "none"]
    trusted = int(plain["trusted"].sum())
    reason = f"{trusted} of {len(plain)} cells have a pure power law that passes every check along its trajectory."
    doubts = plain.loc[~plain["trusted"].astype(bool), "reason"]
    if len(doubts):
        kinds = doubts.str.replace(r"[\d.]+", "#", regex=True)
        reason += f" The commonest doubt: {doubts[kinds == kinds.mode().iloc[0]].iloc[0]}."
    return claim, "confirmed" if trusted == len(plain) else "undecided", reason


def _slope_claim(fits: pd.DataFrame) -> tuple[str, str, str]:
    claim = "Slopes are shallower at P = D"
    texts, verdicts = [], []
    for floor, name in (("none", "without a floor"), ("theory", "above e_inf(P, D)")):
        part = fits[(fits["floor"] == floor) & fits["alpha"].notna()]
        on, off = part.loc[part["P"] == part["D"], "alpha"], part.loc[part["P"] != part["D"], "alpha"]
        if len(on) < 2 or len(off) < 2:
            return claim, "undecided", "too few cells on or off the diagonal."
        difference, low, high = _difference(on.to_numpy(), off.to_numpy())
        texts.append(
            f"{name}: mean exponent {on.mean():.3f} on the diagonal, {off.mean():.3f} off it, difference "
            f"{difference:+.3f} (95 % interval over cells {low:+.3f} to {high:+.3f})"
        )
        verdicts.append("confirmed" if high < 0 else "refuted" if low > 0 else "undecided")
    return claim, verdicts[0], "; ".join(texts) + "."


def _difference(on: Any, off: Any) -> tuple[float, float, float]:
    rng = np.random.default_rng(0)
    draws = [rng.choice(on, len(on)).mean() - rng.choice(off, len(off)).mean() for _ in range(2000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(on.mean() - off.mean()), float(low), float(high)


def _images(paths: list[Path]) -> str:
    tags = []
    for path in paths:
        encoded = base64.b64encode(path.read_bytes()).decode()
        tags.append(f"<p><img alt='{path.stem}' src='data:image/png;base64,{encoded}'></p>")
    return "".join(tags)


def _table(frame: pd.DataFrame) -> str:
    numeric = [pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns]
    head = "".join(
        f"<th scope=col{'' if number else ' class=text'}>{html.escape(str(name))}</th>"
        for name, number in zip(frame.columns, numeric, strict=True)
    )
    rows = []
    for row in frame.itertuples(index=False):
        cells = "".join(_cell(value, number) for value, number in zip(row, numeric, strict=True))
        rows.append(f"<tr>{cells}</tr>")
    return f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"


def _cell(value: Any, number: bool) -> str:
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return "<td></td>"
    if number and isinstance(value, float):
        return f"<td data-value='{value!r}'>{value:.4g}</td>"
    return f"<td{'' if number else ' class=text'}>{html.escape(str(value))}</td>"


def _provenance(runs: pd.DataFrame) -> str:
    commits, versions = sorted(runs["git_commit"].unique()), sorted(runs["versions"].dropna().unique())
    mixed = len(commits) > 1 or len(versions) > 1
    warning = "<p class=warning>Runs of different code or library versions are mixed here.</p>" if mixed else ""
    rows = pd.DataFrame(
        [
            ("git commit", ", ".join(commits)),
            ("devices", ", ".join(sorted(runs["device"].dropna().unique()))),
            ("seeds", ", ".join(map(str, sorted(runs["seed"].unique())))),
            ("precision", ", ".join(sorted(runs["precision"].unique()))),
            ("first start", str(runs["started_at"].min())),
            ("last end", str(runs["finished_at"].max())),
        ],
        columns=["what", "value"],
    )
    listed = "".join(f"<pre>{html.escape(json.dumps(json.loads(version), indent=2))}</pre>" for version in versions)
    return warning + _table(rows) + listed


def _reproduce(results: Results) -> str:
    grid = results.root / "grid.yaml"
    text = grid.read_text(encoding="utf-8") if grid.exists() else "(the grid file is not in the store)"
    commands = "git checkout COMMIT\nmake install\n.venv/bin/python sweeps/launch.py grid.yaml"
    return f"<pre>{commands}</pre><p>grid.yaml:</p><pre>{html.escape(text)}</pre>"


if __name__ == "__main__":
    cli()
