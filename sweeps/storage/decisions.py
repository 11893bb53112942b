"""Decisions of adaptive sweeps, `decisions/RUN_ID-RUNG.parquet`: a row each, written when a rung of a run begins and
again when it ends, by whoever has the run's lease. Those of finished runs are packed into one file, `ENDED`, where the
small file of a decision wins."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Set
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from sweeps.storage.filesystems import files_below, read_undamaged, write_atomically
from sweeps.storage.schemas import DECISION_SCHEMA, of_schema, parquet_bytes

NAME = re.compile(r"([0-9A-Za-z_]+)-(0?\.\d+|1)\.parquet")
WHOLE = 1.0  # the last rung
ENDED = "ended.parquet"
STOPPED = "decisions/_stopped.json"  # readers of a folder of parquet files pass over names that begin with _
STOPPED_BEFORE = "decisions/stopped.json"  # in older stores
Key = tuple[str, float]  # run_id, rung


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


def decision_files(root: Path) -> list[Path]:
    """Every file of decisions in the store, what is packed first."""
    names = sorted((name for (name,) in files_below(root / "decisions")), key=lambda name: name != ENDED)
    return [root / "decisions" / name for name in names if name == ENDED or NAME.fullmatch(name)]


def decided_rungs(root: Path) -> dict[Key, Path]:
    """The file of each decision in the store."""
    found: dict[Key, Path] = {}
    for file in decision_files(root):
        if match := NAME.fullmatch(file.name):
            found[match[1], float(match[2])] = file
        else:
            found |= dict.fromkeys(_packed_keys(file), file)
    return found


def _packed_keys(file: Path) -> list[Key]:
    table = read_undamaged(file, columns=["run_id", "rung"])
    if table is None:
        return []  # fsck names it
    return list(zip(table["run_id"].to_pylist(), table["rung"].to_pylist(), strict=True))


def every_decision(root: Path) -> list[StoredDecision]:
    """Those in the store that can be read, in the order of their numbers."""
    files = decided_rungs(root)
    found = ((file, read_decisions(file) or {}) for file in dict.fromkeys(files.values()))
    counting = (each for file, held in found for key, each in held.items() if files.get(key) == file)
    return sorted(counting, key=lambda each: (each.number, each.run_id, each.rung))


def write_decision(root: Path, decision: StoredDecision) -> None:
    """Keep a decision, or what came of it."""
    _write(decision_file(root, decision.run_id, decision.rung), [decision])


def read_decision(root: Path, run_id: str, rung: float) -> StoredDecision | None:
    """A decision; None where there is none, or where it is damaged."""
    files = (decision_file(root, run_id, rung), root / "decisions" / ENDED)
    found = (each for file in files if (each := (read_decisions(file) or {}).get((run_id, rung))))
    return next(found, None)


def read_decisions(file: Path) -> dict[Key, StoredDecision] | None:
    """What a file of decisions holds; None where it is damaged or absent."""
    table = read_undamaged(file, page_checksum_verification=True)
    if table is None or not of_schema(table, DECISION_SCHEMA):
        return None
    decisions = {(row["run_id"], row["rung"]): StoredDecision(**row) for row in table.to_pylist()}
    match = NAME.fullmatch(file.name)
    named = match is None or list(decisions) == [(match[1], float(match[2]))]
    return decisions if named else None


def pack_decisions(root: Path, runs: Set[str]) -> list[Path]:
    """Write what has ended of these runs' decisions into one file with those that are there; the small files that are
    no longer needed."""
    packed = root / "decisions" / ENDED
    small = {key: file for key, file in decided_rungs(root).items() if key[0] in runs and file != packed}
    found = {key: each for file in small.values() for key, each in (read_decisions(file) or {}).items()}
    ended = {key: each for key, each in found.items() if each.ended_at is not None}
    before = read_decisions(packed) if packed.exists() else {}
    if not ended or before is None:
        return []
    together = before | ended
    _write(packed, [together[key] for key in sorted(together)])
    return [small[key] for key in ended]


def _write(file: Path, decisions: Iterable[StoredDecision]) -> None:
    table = pa.Table.from_pylist([asdict(each) for each in decisions], DECISION_SCHEMA)
    write_atomically(file, parquet_bytes(table))


def write_stop(root: Path, summary: str) -> None:
    """Keep that an adaptive launch stopped here since its target was met."""
    text = json.dumps({"summary": summary, "decided": len(decided_rungs(root))})
    write_atomically(root / STOPPED, text.encode())


def read_stop(root: Path) -> str | None:
    """What an adaptive launch said when it stopped; None where none did, or more was decided since."""
    for name in (STOPPED, STOPPED_BEFORE):
        try:
            found = json.loads((root / name).read_bytes())
            return str(found["summary"]) if found["decided"] == len(decided_rungs(root)) else None
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError):
            return None
    return None


def drop_stop(root: Path) -> None:
    """A launch begins that may train more."""
    for name in (STOPPED, STOPPED_BEFORE):
        (root / name).unlink(missing_ok=True)


def paused_steps(rungs: Iterable[float], steps: int) -> set[int]:
    """Steps after which a run of so many pauses at the ends of these rungs."""
    return {round(rung * steps) for rung in rungs if rung < 1}
