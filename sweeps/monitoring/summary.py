"""How a launch ended: sentences or JSON, and the exit code."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from mmcr_core.config.run_id import run_id
from sweeps.cli.console import print_wrapped
from sweeps.cli.formatting import counted
from sweeps.config.axes import described
from sweeps.monitoring.launch_outcome import Outcome
from sweeps.planning.sweep import Sweep
from sweeps.storage.run_status import RunStatus


def report(sweep: Sweep, outcome: Outcome) -> dict[str, Any]:
    """The outcome as plain values."""
    return {
        "name": sweep.settings.name,
        "results": str(sweep.store.root),
        "finished_before": outcome.finished_before,
        "finished": outcome.finished,
        "unfinished": {key: str(ending) for key, ending in outcome.unfinished.items()},
        "interrupted": outcome.interrupted,
        "timed_out": outcome.timed_out,
    } | ({"adaptive": asdict(outcome.standing)} if outcome.standing else {})


def show(sweep: Sweep, outcome: Outcome, as_json: bool) -> int:
    """Print the outcome; its exit code."""
    name, root, total = sweep.settings.name, sweep.store.root, len(sweep.cells)
    if as_json:
        print(json.dumps(report(sweep, outcome), indent=2))
        return outcome.exit_code
    by_id = {run_id(cell): cell for cell in sweep.cells}
    for key, ending in outcome.unfinished.items():
        log = sweep.store.log_file(key)
        where = f" (traceback: {log})" if log.exists() else ""
        print_wrapped(f"{key} {described(by_id[key], sweep.varying)}: {ending}{where}", sys.stderr)
    finished, unfinished = outcome.finished_before + len(outcome.finished), len(outcome.unfinished)
    if outcome.standing:  # it counts what other launches have finished too
        finished = outcome.standing.trained
    failed, diverged, elsewhere = (
        len(outcome.with_status(status)) for status in (RunStatus.FAILED, RunStatus.DIVERGED, RunStatus.LEFT)
    )
    stopped = "stopped at the time limit" if outcome.timed_out else "interrupted"
    left = total - finished - unfinished
    to_go = "" if outcome.standing else f" with {left} to go"
    print_wrapped(
        f"{name}: {finished} of {counted(total, 'cell')} finished"
        + (f", {failed} failed (launch again to retry)" if failed else "")
        + (f", {diverged} diverged (--only status=diverged tries again)" if diverged else "")
        + (f", {elsewhere} left to another launch" if elsewhere else "")
        + (f", {stopped}{to_go} (launch again to go on)" if outcome.interrupted else "")
        + f"; results in {root}"
    )
    if outcome.standing:
        print_wrapped(outcome.standing.summary())
    return outcome.exit_code
