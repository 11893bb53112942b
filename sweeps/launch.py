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

from sweeps.cli.app import guarded, new_app
from sweeps.cli.console import print_wrapped
from sweeps.cli.errors import OptionError, UserError

EXAMPLE = "Example: python sweeps/launch.py sweeps/grids/quickstart.yaml --only 'P=64,D=64'"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def launch(
    grid: Annotated[Path, typer.Argument(help="Grid file (YAML), - for standard input.")],
    results: Annotated[str, typer.Option(help="Folder or URL (s3://, gs://) of the sweeps' folders.")] = "results",
    plan: Annotated[bool, typer.Option("--plan", help="Print cells and costs, and stop.")] = False,
    address: Annotated[str | None, typer.Option(help="Join a running Ray cluster: auto, or its address.")] = None,
    only: Annotated[
        str | None,
        typer.Option(help="Cells to run: 'P=64|128,K=2', 'optimizer.learning_rate=1e-3', 'status=failed', ..."),
    ] = None,
    cell: Annotated[
        int | None, typer.Option(help="Train this one cell, numbered as --plan does, in this process and without Ray.")
    ] = None,
    max_concurrent: Annotated[int | None, typer.Option(min=1, help="Most cells at once.")] = None,
    until: Annotated[
        str | None,
        typer.Option(help="Train until the rest can be predicted so well: 5%, max:5%, knn_accuracy=0.01."),
    ] = None,
    local: Annotated[bool, typer.Option("--local", help="With --until: in this process, without Ray.")] = False,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Measure each cell's step and memory first; with --plan, then stop.")
    ] = False,
    time_limit: Annotated[str | None, typer.Option(help="Stop after so long, such as 90s, 30m, 2h or 1d.")] = None,
    price: Annotated[
        float | None, typer.Option(min=0, help="With --plan: what a GPU-hour costs, a core-hour without GPUs.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait for cells that another launch trains.")] = True,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard files too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan or the outcome as JSON.")] = False,
) -> None:
    """Run every cell of a grid, or what is missing of it."""
    from sweeps.execution.local import train_one
    from sweeps.monitoring import summary
    from sweeps.planning import preview
    from sweeps.planning.launch_limits import Limits
    from sweeps.planning.sweep import open_sweep, require_here

    if cell is not None and (only or address or plan or calibrate or max_concurrent):
        raise UserError("--cell: trains one cell without Ray; leave --only, --plan, --address and the like out")
    if cell is not None and until is not None:
        raise OptionError("until", "chooses its cells itself; leave --cell out, or give --local for a job array")
    if price is not None and not plan:
        raise OptionError("price", "is what the plan is multiplied by; add --plan")
    if local and (until is None or address or plan or calibrate or max_concurrent):
        raise OptionError(
            "local", "trains one rung after the other without Ray; give --until, and no --address or such"
        )
    sweep = open_sweep(grid, results, only)
    target = None
    if until is not None:
        from sweeps.execution.adaptive.until import parse_until

        target = parse_until(until)
    limits = Limits.of(max_concurrent, time_limit, tensorboard, wait)
    if cell is not None:
        code = summary.show(*train_one(sweep, cell, limits), as_json)
    elif target and local:
        from sweeps.execution.adaptive.local import train_until

        code = summary.show(sweep, train_until(sweep, target, limits), as_json)
    elif plan and not calibrate:
        if address:
            print_wrapped(
                f"note: the times are of this machine; add --calibrate to measure on the cluster {address}", sys.stderr
            )
        else:
            require_here(sweep)
        code = preview.show(sweep, max_concurrent, as_json, target, price)
    else:
        from sweeps.execution import launching  # brings Ray with it

        if plan:
            launching.calibrate(sweep, address, limits)
            code = preview.show(sweep, max_concurrent, as_json, target, price)
        else:
            code = summary.show(sweep, launching.train(sweep, address, limits, calibrate, target), as_json)
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
