"""How a launch ended: sentences or JSON, and the exit code."""

from __future__ import annotations

import json
import sys

from mmcr_core.identity import run_id
from sweeps.grid.axes import described
from sweeps.running.outcome import Outcome
from sweeps.running.sweep import Sweep
from sweeps.storage.terminal import say


def show(sweep: Sweep, outcome: Outcome, as_json: bool) -> int:
    """Print the outcome; 0 where every cell has finished, 130 where the launch was interrupted, else 1."""
    name, root, total = sweep.settings.name, sweep.store.root, len(sweep.cells)
    code = 130 if outcome.interrupted and not outcome.timed_out else 1 if outcome.unfinished or outcome.timed_out else 0
    if as_json:
        summary = {
            "name": name,
            "results": str(root),
            "finished_before": outcome.finished_before,
            "finished": outcome.finished,
            "unfinished": outcome.unfinished,
            "interrupted": outcome.interrupted,
            "timed_out": outcome.timed_out,
        }
        print(json.dumps(summary, indent=2))
        return code
    by_id = {run_id(cell): cell for cell in sweep.cells}
    for key, reason in outcome.unfinished.items():
        log = sweep.store.log_file(key)
        where = f" (traceback: {log})" if log.exists() else ""
        say(f"{key} {described(by_id[key], sweep.varying)}: {reason}{where}", sys.stderr)
    finished, unfinished = outcome.finished_before + len(outcome.finished), len(outcome.unfinished)
    failed = sum(not reason.startswith(("left", "diverged")) for reason in outcome.unfinished.values())
    diverged = sum(reason.startswith("diverged") for reason in outcome.unfinished.values())
    elsewhere = unfinished - failed - diverged
    stopped = "stopped at the time limit" if outcome.timed_out else "interrupted"
    left = total - finished - unfinished
    say(
        f"{name}: {finished} of {total} cells finished"
        + (f", {failed} failed (launch again to retry)" if failed else "")
        + (f", {diverged} diverged (--only status=diverged tries again)" if diverged else "")
        + (f", {elsewhere} left to another launch" if elsewhere else "")
        + (f", {stopped} with {left} to go (launch again to go on)" if outcome.interrupted else "")
        + f"; results in {root}"
    )
    return code
