"""Sweeps from a notebook: what `sweeps/launch.py` does, as functions that return values.

from sweeps.api import launch, load_encoder, load_grid, plan

grid = {"name": "tiny", "dataset": "digits", "P": [16, 32], "D": 16, "K": 2, "budget": {"steps": 200}}
plan(grid)[["run_id", "P", "D", "flops", "seconds"]]
outcome = launch(grid, results="results")
features = load_encoder("results/tiny", outcome.finished[0]).encode(images)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps.cli.errors import OptionError, UserError

if TYPE_CHECKING:  # each function imports what it needs: plans and encoders need no Ray
    import pandas as pd

    from sweeps.config.grid_file import GridSpec
    from sweeps.execution.encoder_loading import TrainedNetwork
    from sweeps.monitoring.launch_outcome import Outcome

    Grid = str | Path | Mapping[str, Any] | GridSpec

TEXTS = {  # of each argument, an example
    "only": "'P=64|128,K=2'",
    "address": "'auto' or the address of a Ray cluster",
    "until": "'5%'",
    "time_limit": "'90s' or '2h'",
}
__all__ = ["UserError", "launch", "load_encoder", "load_grid", "plan"]


def load_grid(grid: str | Path | Mapping[str, Any], overrides: str | Sequence[str] = ()) -> GridSpec:
    """Every cell of a grid as a frozen, checked run spec (`.cells`), and how to run them (`.settings`).

    Args: grid: path of a grid file, the name of a shipped one such as "paper-stl10", or its keys and values as a
        mapping (docs/config_reference.md); overrides: what replaces keys of it, such as ["P=64,128"].
    Raises: UserError for the first mistake, with file and line (of a mapping: "grid", of an override: it), key and
        remedy.
    """
    from sweeps.config import grid_file

    return grid_file.load_grid(grid, [overrides] if isinstance(overrides, str) else overrides)


def plan(
    grid: Grid,
    *,
    results: str | Path = "results",
    only: str | None = None,
    max_concurrent: int | None = None,
    calibrate: bool = False,
    address: str | None = None,
    until: str | None = None,
) -> pd.DataFrame:
    """What a grid costs on this machine; trains and writes nothing, as `launch.py --plan`.

    Args: grid: a path, a mapping or a GridSpec; results: folder or URL of the sweeps' folders, where finished runs are
        looked up; only: cells, such as "P=64|128,K=2" or "status=failed"; max_concurrent: most cells at once;
        calibrate: measure each cell's step and memory first, on the Ray cluster at `address` (None: this machine);
        until: target of an adaptive sweep, such as "5%".
    Returns: a row per cell, the most expensive first: cell (its place in the grid), P, D, K, seed, what else varies,
        run_id, steps, from_step (from which a run that was begun resumes: flops and seconds are of the rest), images,
        flops, memory_bytes, recompute_bytes (the same with memory: recompute; None where there
        is nothing to recompute), seconds (with measuring_seconds), loading_seconds (of its data, once), gpus, cpus,
        threads, measured (False: an estimate), status, starts_at_seconds.
        `.attrs["makespan_seconds"]`: time until the last cell that is to run has ended; `.attrs["counts"]`: cells
        that the grid has, and that each of its links and exclusions, and `only`, leaves;
        of an adaptive sweep `.attrs["adaptive"]`: what it is expected to train of that.
    Raises: UserError.
    """
    import pandas as pd

    from sweeps.planning.launch_limits import Limits
    from sweeps.planning.preview import Preview
    from sweeps.planning.sweep import open_sweep, require_here

    _require(results, max_concurrent, only=only, address=address, until=until)
    sweep = open_sweep(grid, str(results), only)
    if address is None:
        require_here(sweep)
    if calibrate:
        from sweeps.execution import launching

        launching.calibrate(sweep, address, Limits(max_concurrent))
    preview = Preview.of(sweep, max_concurrent)
    table = pd.DataFrame(preview.rows())
    table.attrs |= {
        "makespan_seconds": preview.makespan_seconds,
        "counts": [count._asdict() for count in sweep.counts],
    }
    if until is not None:
        from sweeps.execution.adaptive.preparation import expectation
        from sweeps.execution.adaptive.until import parse_until

        table.attrs["adaptive"] = asdict(expectation(sweep, parse_until(until)))
    return table


def launch(
    grid: Grid,
    *,
    results: str | Path = "results",
    only: str | None = None,
    max_concurrent: int | None = None,
    calibrate: bool = False,
    time_limit: str | None = None,
    wait: bool = True,
    track: str | Sequence[str] = (),
    address: str | None = None,
    until: str | None = None,
) -> Outcome:
    """Train the cells that the store does not have yet, as `launch.py`; interrupting writes checkpoints.

    Args: grid: a path, a mapping or a GridSpec; results: folder or URL of the sweeps' folders; only: cells, as of
        `plan`; max_concurrent: most cells at once; calibrate: measure each cell's step and memory first; time_limit:
        stop after so long, such as "90s" or "2h"; wait: for cells that another launch trains; track: trackers that
        follow the runs beside those of the grid, such as ["wandb"]; address: of a running Ray cluster (None: this
        machine); until: train until the rest can be predicted so well, such as "5%", "max:5%" or "knn_accuracy=0.01".
    Returns: an Outcome: `.finished` (run_ids), `.finished_before` (their number), `.unfinished` (run_id -> reason),
        `.interrupted`, `.timed_out`, `.exit_code` as the command has it; of an adaptive sweep `.standing`: what was
        trained, paused and predicted, and how well.
    Raises: UserError for bad input, before anything is written.
    """
    from sweeps.execution import launching
    from sweeps.planning.launch_limits import Limits
    from sweeps.planning.sweep import open_sweep

    _require(results, max_concurrent, only=only, address=address, until=until, time_limit=time_limit)
    sweep = open_sweep(grid, str(results), only, track=[track] if isinstance(track, str) else track)
    limits = Limits.of(max_concurrent, time_limit, wait)
    target = None
    if until is not None:
        from sweeps.execution.adaptive.until import parse_until

        target = parse_until(until)
    return launching.train(sweep, address, limits, calibrate, target)


def load_encoder(results: str | Path, run_id: str | None = None, device: str = "cpu") -> TrainedNetwork:
    """The network of a finished run, in eval mode.

    Args: results: a sweep's own folder or URL, such as results/quickstart, or what `sweeps/export.py` wrote; run_id: of
        a run that kept its weights, None of an export; device: where the network goes.
    Returns: an nn.Module `net`: `net.encode(images)` gives features (N, F) of images (N, C, H, W), uint8 in 0..255 or
        floats in [0, 1], without gradients; `net(images)` gives unit embeddings (N, D), with them; `.spec` is the run,
        `.views` its augmentations.
    Raises: UserError where there is no such run, none of its weights, or its custom encoder is absent.
    """
    from sweeps.execution import encoder_loading

    return encoder_loading.load_encoder(results, run_id, device)


def _require(results: Any, max_concurrent: Any, **texts: Any) -> None:
    """Raises OptionError for an argument of another kind than it must be, before it is taken for something else."""
    if isinstance(results, int | float | bytes | Sequence | None) and not isinstance(results, str):
        raise OptionError("results", f"{results!r} is no folder; give a path or URL")
    whole = isinstance(max_concurrent, int) and not isinstance(max_concurrent, bool)
    if max_concurrent is not None and (not whole or max_concurrent < 1):
        raise OptionError("max_concurrent", f"{max_concurrent} is not a number of cells; use 1 or more, or None")
    for name, value in texts.items():
        if not isinstance(value, str | None):
            raise OptionError(name, f"{value!r} is not text; give {TEXTS[name]}, or None")
