"""Launch a grid: `python sweeps/launch.py sweeps/grids/quickstart.yaml`.

Trains the cells that the store does not have yet, resumes those that were interrupted, retries those that
failed. Exit code 0: every cell has finished; 1: some have not, each listed with its reason; 2: bad input,
nothing written; 130: interrupted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sweeps.storage.errors import UserError

EXAMPLE = "Example: python sweeps/launch.py sweeps/grids/quickstart.yaml --only 'P=64,D=64'"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLE)
def launch(
    grid: Annotated[Path, typer.Argument(help="Grid file (YAML).")],
    results: Annotated[str, typer.Option(help="Folder or URL (s3://, gs://) of the sweeps' folders.")] = "results",
    plan: Annotated[bool, typer.Option("--plan", help="Print cells and costs, and stop.")] = False,
    address: Annotated[str | None, typer.Option(help="Join a running Ray cluster: auto, or its address.")] = None,
    only: Annotated[str | None, typer.Option(help="Cells to run, such as 'P=64,D=64' or 'P=64|128,K=2'.")] = None,
    max_concurrent: Annotated[int | None, typer.Option(min=1, help="Most cells at once.")] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Measure each cell's step and memory first; with --plan, then stop.")
    ] = False,
    time_limit: Annotated[str | None, typer.Option(help="Stop after so long, such as 90s, 30m, 2h or 1d.")] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard files too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan or the outcome as JSON.")] = False,
) -> None:
    """Run every cell of a grid, or what is missing of it."""
    from sweeps.running import launching, plan_preview, summary
    from sweeps.running.limits import Limits

    try:
        sweep = launching.open_sweep(grid, results, only)
        limits = Limits.of(max_concurrent, time_limit, tensorboard)
        if plan and calibrate:
            launching.calibrate(sweep, address, limits)
        if plan:
            code = plan_preview.show(sweep, max_concurrent, as_json)
        else:
            code = summary.show(sweep, launching.train(sweep, address, limits, calibrate), as_json)
    except UserError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
