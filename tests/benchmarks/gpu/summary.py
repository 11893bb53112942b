"""What came out, as text and tables: from the rows alone, so that it can be written again anywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tests.benchmarks.gpu.rows import Row
from tests.benchmarks.gpu.stages import STAGES

BROKEN = ("failed", "died", "killed", "not started")
COST = ("P", "D", "K", "precision", "views", "network")
TABLES: dict[str, tuple[str, Sequence[str]]] = {  # stage -> the column that its rows have, and those that are shown
    "ceilings": ("TFLOP/s", ("dtype", "side", "TFLOP/s")),
    "nuclear_norms": (
        "ratio",
        (
            "P",
            "D",
            "torch ms",
            "ours ms",
            "replayed ms",
            "ratio",
            "ours value off by",
            "ours gradient off by",
            "torch gradient off by",
        ),
    ),
    "speed": ("full ms", (*COST, "bare ms", "full ms", "efficiency", "images/s", "compile s")),
    "memory": ("measured GiB", ("P", "D", "K", "start s", "estimated GiB", "measured GiB", "measured / estimated")),
    "kernels": ("kernel", ("kernel", "us a step", "share")),
    "grid_cells": (
        "status",
        ("P", "D", "K", "status", "percent_error", "heldout_percent_error", "images/s", "s", "expected s"),
    ),
}


def summary(rows: list[Row]) -> tuple[str, bool]:
    """Markdown, and whether everything holds: each check, and each stage to its end."""
    checks = [row for row in rows if "holds" in row]
    wrong = [row for row in checks if not row["holds"]]
    broken = [row for row in rows if row.get("event") in BROKEN]
    reached = {row["stage"] for row in rows if row.get("event") == "stage ended"}
    missing = [stage.name for stage in STAGES if stage.name not in reached]
    holds = bool(checks) and not (wrong or broken or missing)
    parts = [
        f"# GPU checks: {machine(rows)}",
        f"{len(checks) - len(wrong)} of {len(checks)} checks hold; {len(broken)} tasks or processes broke"
        + (f"; not reached: {', '.join(missing)}" if missing else "")
        + f". {_ended(rows)}",
        *(section("Does not hold", [_judged(row) for row in wrong])),
        *(section("Broke", [_broken(row) for row in broken])),
        *(section("Left out", [f"{_title(row)}: {row['left_out']}" for row in rows if "left_out" in row])),
        *(section("Holds", [_judged(row) for row in checks if row["holds"]])),
    ]
    for name, (column, shown) in TABLES.items():
        stage = name if name in {stage.name for stage in STAGES} else "speed"
        if found := [row for row in rows if row.get("stage") == stage and column in row]:
            parts += [f"## {name}", table(found, shown)]
    copies = [f"copy: {row['GB/s']:,.0f} GB/s read and written" for row in rows if "GB/s" in row]
    times = [f"{row['stage']} {row['s']} of {row['of']} s" for row in rows if row.get("event") == "stage ended"]
    return "\n\n".join([*parts, *copies, "Stages: " + ", ".join(times)]) + "\n", holds


def machine(rows: list[Row]) -> str:
    """The device with its versions, as the first stage found them."""
    for row in rows:
        if "versions" in row:
            return f"{row['device']}, " + ", ".join(f"{name} {number}" for name, number in row["versions"].items())
    return "a device that nothing is known of"


def section(title: str, lines: Iterable[str]) -> list[str]:
    """A heading and a list, or nothing."""
    listed = [f"- {line}" for line in lines]
    return [f"## {title} ({len(listed)})", "\n".join(listed)] if listed else []


def table(rows: list[Row], columns: Sequence[str]) -> str:
    """A Markdown table of the columns that any row has."""
    kept = [name for name in columns if any(row.get(name) is not None for row in rows)]
    lines = ["| " + " | ".join(kept) + " |", "|" + "---|" * len(kept)]
    return "\n".join(lines + ["| " + " | ".join(shown(row.get(name)) for name in kept) + " |" for row in rows])


def shown(value: object) -> str:
    """A cell's text."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{key} {shown(part)}" for key, part in value.items())
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def _title(row: Row) -> str:
    return f"{row['stage']}: {row.get('task', '')}"


def _judged(row: Row) -> str:
    found = row.get("found", f"value {shown(row.get('ours value off by'))}, gradient off by "
                             f"{shown(row.get('ours gradient off by'))}")  # fmt: skip
    note = f" [{row['compared']}]" if "compared" in row else ""
    return f"{_title(row)}: {shown(found)} (wanted: {row.get('wanted', 'float64')}){note}"


def _broken(row: Row) -> str:
    tasks = row.get("tasks") or []
    what = row.get("task") or (", ".join(tasks) if len(tasks) < 4 else f"{len(tasks)} tasks")
    how = row.get("error") or row.get("how") or row.get("why") or row["event"]
    last = (row.get("stderr") or [""])[-1]
    return f"{row['stage']} {row['event']}: {what}: {how}" + (f" ({last})" if last else "")


def _ended(rows: list[Row]) -> str:
    events = Counter(row.get("status") for row in rows if row.get("stage") == "grid_cells" and "status" in row)
    cells = ", ".join(f"{count} cells {status}" for status, count in events.items())
    took = [row["s"] for row in rows if row.get("stage") == "command" and row.get("event") == "ended"]
    return f"{cells or 'No cell was trained'}. It took {took[-1] if took else '?'} s."
