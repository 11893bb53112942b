"""Pieces of a self-contained HTML page: sections, pictures, tables that sort by their columns. No network."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

PAGE = """<!doctype html>
<html lang=en><head><meta charset=utf-8><meta name=viewport content="width=device-width,initial-scale=1">
<title>{title}</title><style>{style}</style></head>
<body>
<h1>{title}</h1>
{body}
<script>{script}</script></body></html>
"""
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#1b1b1b;max-width:70rem;margin:0 auto;padding:1rem}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem;border-bottom:1px solid #ccc}
img{max-width:100%;height:auto}.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem}
th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #e3e3e3;white-space:nowrap}
th{cursor:pointer;background:#f4f4f4}th:focus{outline:2px solid #0072B2}.text{text-align:left}
td.long{white-space:normal;min-width:30rem;text-align:left}
dt{font-weight:600}dd{margin:0 0 .6rem 1rem}.confirmed{color:#00694d}.refuted{color:#b00020}.undecided{color:#8a5a00}
.not-tested{color:#555}
summary{font-weight:600;cursor:pointer;padding:.3rem 0}
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
DPI = 200  # of the figures
READABLE = 600  # pixels below which a figure of many panels is scrolled instead of shrunk
LONG = 40  # characters beyond which a cell's text may wrap


def page(title: str, parts: list[str]) -> str:
    """A whole page."""
    return PAGE.format(title=html.escape(title), style=STYLE, body="\n".join(parts), script=SORT)


def section(title: str, content: str) -> str:
    """`title` is text, `content` HTML."""
    return f"<section><h2>{html.escape(title)}</h2>{content}</section>"


def paragraph(text: str, kind: str = "") -> str:
    """Text in a paragraph; `kind`: `warning` or nothing."""
    return f"<p{f' class={kind}' if kind else ''}>{html.escape(text)}</p>"


def images(paths: list[Path]) -> str:
    """PNG files, embedded; each can be linked to by the stem of its name."""
    tags = []
    for path in paths:
        content = path.read_bytes()
        width = int.from_bytes(content[16:20], "big") * 96 * 4 // (3 * DPI)  # 8-point labels as 11-point text
        style = f"width:{width}px;min-width:{min(width, READABLE)}px"
        source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        tags.append(f"<div class=scroll id='{path.stem}'><img alt='{path.stem}' style='{style}' src='{source}'></div>")
    return "".join(tags)


def table(frame: pd.DataFrame) -> str:
    """A frame; numbers are shown to 4 digits and sorted at full precision."""
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
    text = str(value)
    kind = "" if number else " class=long" if len(text) > LONG else " class=text"
    return f"<td{kind}>{html.escape(text)}</td>"
