"""The plan as a person sees it before anything runs: a table, or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from rich.table import Table

from mmcr_core.config.run_id import run_id
from sweeps.cli.console import columns, fitting, left_out, print_wrapped, table_width
from sweeps.cli.formatting import counted, duration, memory
from sweeps.config.axes import PAPER, column, grid_keys, text_of
from sweeps.execution.continuation import runs_to_continue
from sweeps.execution.stored_measures import measurable, missing_measures
from sweeps.planning.cpu_count import usable_cores
from sweeps.planning.cuda_mps import remark
from sweeps.planning.machine import Machine, this_machine
from sweeps.planning.plan import CELL_OVERHEAD_SECONDS, Cell, remaining
from sweeps.planning.plan_warnings import measuring_warning, memory_warning, rank_warning, recompute_remark
from sweeps.planning.schedule import schedule
from sweeps.planning.sweep import Sweep, leaves_out, remarks, steps_begun, terminal
from sweeps.storage.cross_sweep_reuse import finished_beside
from sweeps.storage.run_status import RunStatus
from sweeps.storage.snapshot import Snapshot
from sweeps.storage.sweep_store import Store

if TYPE_CHECKING:  # what predicts is brought by adaptive sweeps alone
    from sweeps.execution.adaptive.simulation import Expectation
    from sweeps.execution.adaptive.until import Until

START_SECONDS, SHORT_SECONDS = 20, 600  # of Ray and its workers, on 2 idle cores; launches where that matters
MANY = 500  # cells, from which on the table has no lines drawn around it
SPARE = ("GPUs", "cores", "starts", "run_id", "memory")  # columns that a narrow terminal goes without, in this order
COSTS = (
    *("run_id", "steps", "images", "flops", "memory_bytes", "recompute_bytes", "seconds", "measuring_seconds"),
    *("loading_seconds", "gpus", "cpus", "threads", "measured", "from_step"),
)


@dataclass(frozen=True)
class Preview:
    """The chosen cells of a sweep with their costs on `machine`, the most expensive first: of those that are begun, or
    finished and `measured_again`, of what is left. `left`: those to run; `flops`: of all cells whole; `numbers`:
    run_id -> place in the grid's own order; `statuses`: run_id -> how it has ended; `times`: run_id -> seconds from the
    launch to start and end, of those to run; `continues`: run_id -> shorter run that it will continue."""

    sweep: Sweep
    machine: Machine
    cells: list[Cell]
    left: list[Cell]
    flops: float
    numbers: dict[str, int]
    statuses: dict[str, str]
    times: dict[str, tuple[float, float]]
    continues: dict[str, str]
    measured_again: set[str]

    @staticmethod
    def of(sweep: Sweep, max_concurrent: int | None) -> Preview:
        """What `sweep` costs on this machine."""
        machine = this_machine(torch.cuda.device_count(), usable_cores())
        whole = sweep.planned(sweep.cells, machine)
        ids = {id(cell.spec): cell.run_id for cell in whole}
        places = ((ids.get(id(cell)) or run_id(cell), number) for number, cell in enumerate(sweep.grid_cells))
        numbers = dict(places)
        snapshot = sweep.store.snapshot()
        rows = snapshot.rows("status", "steps")
        beside = finished_beside(sweep.store, {cell.run_id for cell in whole} - set(rows))
        statuses = {key: str(row["status"]) for key, row in rows.items()}
        statuses |= {key: f"reused from {other.root.name}" for key, other in beside.items()}
        done = {key for key, row in rows.items() if row["status"] == RunStatus.FINISHED} | set(beside)
        unfinished = {cell.run_id: cell.spec for cell in whole if cell.run_id not in done}
        continues = runs_to_continue(sweep.store, unfinished.values())
        planned = remaining(whole, steps_begun(snapshot, rows, unfinished, continues))
        theirs = {root: Store(root).snapshot() for root in {other.root for other in beside.values()}}
        held = {key: theirs[other.root] for key, other in beside.items()}
        again = {
            cell.run_id: found
            for cell in planned
            if cell.run_id in done and (found := _again(cell, held.get(cell.run_id, snapshot)))
        }
        cells = [again.get(cell.run_id, cell) for cell in planned]
        left = [cell for cell in cells if cell.run_id in unfinished or cell.run_id in again]
        times = {cell.run_id: time for cell, time in zip(left, schedule(left, machine, max_concurrent), strict=True)}
        flops = sum(cell.flops for cell in whole)
        return Preview(sweep, machine, cells, left, flops, numbers, statuses, times, continues, set(again))

    def status(self, cell: Cell) -> str:
        """How a run stands, for people."""
        key = cell.run_id
        if key in self.measured_again:
            return "to measure"
        begun = f"resumes from {cell.from_step:,}" if cell.from_step else "to run"
        return str(self.statuses.get(key, f"continues {self.continues[key]}" if key in self.continues else begun))

    @property
    def makespan_seconds(self) -> float:
        """Estimated time from the launch to the end of the last cell."""
        return max((end for _, end in self.times.values()), default=0.0)

    @property
    def device_hours(self) -> float:
        """Estimated hours of GPUs, shares of one counted as such, or of CPU cores where the machine has no GPU."""
        return sum((end - start) * (cell.gpus or cell.cpus) / 3600 for cell in self.left
                   for start, end in (self.times[cell.run_id],))  # fmt: skip

    def rows(self) -> list[dict[str, Any]]:
        """A row per cell: what it is, what it costs, whether it was measured, how it stands."""
        varying = self.sweep.varying
        return [
            {"cell": self.numbers[cell.run_id]}
            | {key: keys.get(key) for key in (*PAPER, *varying)}
            | {name: getattr(cell, name) for name in COSTS}
            | {"measured_again": cell.run_id in self.measured_again}
            | {"status": str(self.statuses.get(cell.run_id, "to run")), "continues": self.continues.get(cell.run_id)}
            | {"starts_at_seconds": self.times.get(cell.run_id, (None,))[0]}
            for cell, keys in ((cell, grid_keys(cell.spec)) for cell in self.cells)
        ]


def _again(cell: Cell, snapshot: Snapshot) -> Cell | None:
    """A finished cell at the cost of measuring what it lacks and can be measured; None where that is nothing."""
    missing = measurable(snapshot, cell.run_id, missing_measures(snapshot, cell.spec, cell.steps), cell.steps)
    share = len(missing) / max(1, len(cell.spec.evaluate.steps(cell.steps)))
    return replace(cell, seconds=CELL_OVERHEAD_SECONDS + share * cell.measuring_seconds) if missing else None


def show(
    sweep: Sweep, max_concurrent: int | None, as_json: bool, until: Until | None = None, price: float | None = None
) -> int:
    """Print the cells with what they cost on this machine, and how long the missing ones take, or those of them that an
    adaptive sweep is expected to train; `price`: of a device-hour; exit code 0."""
    expected = _expected(sweep, until) if until else None
    preview = Preview.of(sweep, max_concurrent)
    machine, planned, seconds = preview.machine, preview.cells, preview.makespan_seconds
    replaced = leaves_out(sweep.store, preview.numbers) if preview.left else ""
    if as_json:
        if replaced:
            print_wrapped(replaced, sys.stderr)
        whole = {"name": sweep.settings.name, "cells": preview.rows(), "makespan_seconds": seconds}
        whole["counts"] = [count._asdict() for count in sweep.counts]
        whole["device_hours"] = preview.device_hours
        if price is not None:
            whole["cost"] = preview.device_hours * price
        if expected:
            whole["adaptive"] = asdict(expected)
        print(json.dumps(whole, indent=2))
        return 0
    starts = {key: start for key, (start, _) in preview.times.items()}
    stands = {cell.run_id: preview.status(cell) for cell in planned}
    texts = plan_columns(planned, preview.numbers, sweep.varying, stands, starts)
    shown = fitting(texts, columns(sys.stdout), SPARE)
    if len(planned) > MANY:
        print(plain_table(texts, shown))
    else:
        console = terminal()
        console.width = max(console.width, table_width({name: texts[name] for name in shown}))  # P, D, K are never cut
        console.print(plan_table(texts, shown), crop=False)
    if gone := left_out(texts, shown):
        print_wrapped(f"{gone} --json has all.")
    kind = f"{machine.gpus:g} GPUs" if machine.gpus else f"{machine.cpus:g} CPU cores, no GPU"
    flops, left = preview.flops, len(preview.left)
    print_wrapped(
        f"{counted(len(planned), 'cell')}, {flops:.3e} FLOPs; {left} to run, about {duration(seconds)} on this machine "
        f"({kind}), {_cost(preview, price)}. {_basis(planned)}"
    )
    if until and expected and left:
        unfinished = sum(cell.flops for cell in preview.left if cell.run_id not in preview.measured_again)
        print_wrapped(adaptive_line(until, expected, seconds, unfinished / flops))
    again = len(preview.measured_again)
    begun = sum(bool(cell.from_step) for cell in preview.left)
    continued = f"{counted(begun, 'cell')} will resume from a checkpoint, or from a shorter run." if begun else ""
    share = min(cell.gpus for cell in planned)
    sharing = remark(round(1 / share)) if 0 < share < 1 else ""
    starting = f"Starting Ray takes about {START_SECONDS} s more, which the times leave out."
    warnings = (
        starting if 0 < seconds < SHORT_SECONDS else "",
        f"{again} of them finished before, to be measured again." if again else "",
        continued,
        sharing,
        rank_warning(sweep.cells),
        recompute_remark(planned, sweep.settings.memory),
        memory_warning(planned, machine),
        measuring_warning(planned),
    )
    for sentence in filter(None, (counts_line(sweep), *warnings, *sweep.remarks, *remarks(sweep.cells), replaced)):
        print_wrapped(sentence)
    return 0


def counts_line(sweep: Sweep) -> str:
    """How many cells each override, link, exclusion and choice of cells leaves; empty where there is none of them."""
    if len(sweep.counts) < 2:
        return ""
    return f"Cells: {'; '.join(f'{count.cells} {count.what}' for count in sweep.counts)}."


def _expected(sweep: Sweep, until: Until) -> Expectation:
    from sweeps.execution.adaptive.preparation import expectation

    return expectation(sweep, until)


def adaptive_line(until: Until, expected: Expectation, seconds: float, unfinished: float) -> str:
    """What an adaptive launch is expected to train; `seconds`: of all runs that are not finished, which are the share
    `unfinished` of the FLOPs."""
    if expected.most - expected.spent < 1e-9:
        return f"--until {until.text} is met by what is trained already, {expected.spent:.0%} of the FLOPs."
    more = [(share - expected.spent) / max(unfinished, 1e-9) for share in (expected.least, expected.most)]
    least, most = (duration(seconds * min(share, 1.0)) for share in more)
    source = (
        f"{counted(expected.others, 'finished run')} of this kind" if expected.others else "what other sweeps were like"
    )
    trained = f", {expected.spent:.0%} are trained" if expected.spent else ""
    rest = ", the others not at all" if expected.whole + expected.part < 0.995 else ""
    return (
        f"--until {until.text} is expected to train {expected.least:.0%} to {expected.most:.0%} of the FLOPs (mean "
        f"{expected.share:.0%}{trained}), {least} to {most} instead of {duration(seconds)}: {expected.whole:.0%} of "
        f"the cells whole, {expected.part:.0%} in part{rest}. Simulated from the scaling law and from {source}."
    )


def _cost(preview: Preview, price: float | None) -> str:
    hours, device = preview.device_hours, "GPU" if preview.machine.gpus else "core"
    paid = "" if price is None else f", {hours * price:,.2f} at {price:g} each"
    return f"{hours:,.3g} {device}-hours{paid}"


def _basis(planned: list[Cell]) -> str:
    measured = sum(cell.measured for cell in planned)
    if measured == len(planned):
        return "Time and memory as measured on this kind of device."
    return f"Time and memory are estimates ({measured} of {len(planned)} cells measured; --calibrate measures all)."


def plan_columns(
    cells: Iterable[Cell],
    numbers: dict[str, int],
    varying: list[str],
    statuses: dict[str, str],
    starts: dict[str, float],
) -> dict[str, list[str]]:
    """The columns of the plan by their names, a text for each cell, in the order in which they start; `numbers`: in the
    grid's own order, for --cell; `starts`: seconds from the launch, of those to run."""
    rows = []
    for cell in cells:
        keys = grid_keys(cell.spec)
        rows.append(
            {
                "cell": str(numbers[cell.run_id]),
                "run_id": cell.run_id,
                **{column(key, varying): text_of(keys, key) for key in (*PAPER, *varying)},
                "steps": f"{cell.steps:,}",
                "FLOPs": f"{cell.flops:.2e}",
                "memory": memory(cell.memory_bytes),
                "GPUs": f"{cell.gpus:g}",
                "cores": f"{cell.cpus:g}",
                "time": duration(cell.seconds),
                "starts": f"+{duration(starts[cell.run_id])}" if cell.run_id in starts else "",
                "status": statuses.get(cell.run_id, "to run"),
            }
        )
    return {name: [row[name] for row in rows] for name in rows[0]}


def plain_table(texts: dict[str, list[str]], shown: list[str]) -> str:
    """The same as lines, a second for ten thousand cells and not a minute."""
    widths = [max(map(len, (name, *texts[name]))) for name in shown]
    rows = (shown, *zip(*(texts[name] for name in shown), strict=True))
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows)


def plan_table(texts: dict[str, list[str]], shown: list[str]) -> Table:
    """Those of the plan's columns that are shown."""
    table = Table(title="Cells, the most expensive first", title_justify="left")
    for name in shown:
        table.add_column(name, justify="left" if name in ("run_id", "status") else "right", no_wrap=True)
    for row in zip(*(texts[name] for name in shown), strict=True):
        table.add_row(*row)
    return table
