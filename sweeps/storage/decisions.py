"""Decisions of adaptive sweeps, `decisions/RUN_ID-RUNG.parquet`: a row each, written when a rung of a run begins and
again when it ends, by whoever has the run's lease."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from sweeps.storage.filesystems import files_below, read_table, write_atomically
from sweeps.storage.schemas import DECISION_SCHEMA, of_schema, parquet_bytes

NAME = re.compile(r"([0-9A-Za-z_]+)-(0?\.\d+|1)\.parquet")


@dataclass(frozen=True)
class StoredDecision:
    """Train a run for `steps` steps, the share `rung` of its budget. `number`: how many were decided before, `launch`,
    `code`: by which launch and by which version of the statistics; `fall_per_flop`: the variance of the predictions
    that it was expected to take away; `mean`, `sd`: of what was to be measured of `quantity` on the log or logit
    `scale`, `predicted` the same as a number. `measured`, `ended_at`: what came of it, once it has ended."""

    run_id: str
    rung: float
    steps: int
    number: int
    quantity: str
    scale: str
    launch: str
    code: str
    decided_at: datetime
    fall_per_flop: float
    mean: float
    sd: float
    predicted: float
    measured: float | None = None
    ended_at: datetime | None = None

    def ended(self, measured: float | None) -> StoredDecision:
        """The same, ended now."""
        return replace(self, measured=measured, ended_at=datetime.now(UTC))


def decision_file(root: Path, run_id: str, rung: float) -> Path:
    """Where a decision is kept in the store at `root`."""
    return root / "decisions" / f"{run_id}-{rung:g}.parquet"


def decided_rungs(root: Path) -> dict[tuple[str, float], Path]:
    """(run_id, rung) -> file of each decision in the store."""
    names = [name for (name,) in files_below(root / "decisions")]
    matches = (match for match in map(NAME.fullmatch, names) if match)
    return {(match[1], float(match[2])): root / "decisions" / match[0] for match in matches}


def write_decision(root: Path, decision: StoredDecision) -> None:
    """Keep a decision, or what came of it."""
    table = pa.Table.from_pylist([asdict(decision)], DECISION_SCHEMA)
    write_atomically(decision_file(root, decision.run_id, decision.rung), parquet_bytes(table))


def read_decision(file: Path) -> StoredDecision | None:
    """A decision; None where there is none, or where it cannot be read."""
    try:
        table = read_table(file, page_checksum_verification=True)
    except (pa.ArrowException, OSError):
        return None
    if not of_schema(table, DECISION_SCHEMA) or len(table) != 1:
        return None
    decision = StoredDecision(**table.to_pylist()[0])
    match = NAME.fullmatch(file.name)
    return decision if match and (match[1], float(match[2])) == (decision.run_id, decision.rung) else None


def write_stop(root: Path, summary: str) -> None:
    """Keep that an adaptive launch stopped here since its target was met."""
    text = json.dumps({"summary": summary, "decided": len(decided_rungs(root))})
    write_atomically(_stop_file(root), text.encode())


def read_stop(root: Path) -> str | None:
    """What an adaptive launch said when it stopped; None where none did, or more was decided since."""
    try:
        found = json.loads(_stop_file(root).read_bytes())
        return str(found["summary"]) if found["decided"] == len(decided_rungs(root)) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def drop_stop(root: Path) -> None:
    """A launch begins that may train more."""
    _stop_file(root).unlink(missing_ok=True)


def _stop_file(root: Path) -> Path:
    return root / "decisions" / "stopped.json"


def paused_steps(rungs: Iterable[float], steps: int) -> set[int]:
    """Steps after which a run of so many pauses at the ends of these rungs."""
    return {round(rung * steps) for rung in rungs if rung < 1}
