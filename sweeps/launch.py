"""Launch a grid: `python sweeps/launch.py quickstart P=64,128 budget.images=30000`.

The grid is a file, or the name of one in `sweeps/grids`; KEY=VALUE replaces a key of it.

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
from sweeps.cli.errors import OptionError, UserError, require_price

EXAMPLE = "Example: python sweeps/launch.py quickstart P=64,128 optimizer.learning_rate=3e-4 --only 'D<=P'"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def launch(
    grid: Annotated[
        Path,
        typer.Argument(help="Grid file (YAML), name of a shipped grid such as quickstart, or - for standard input."),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Replace keys of the grid: P=64,128 optimizer.name=sgd"),
    ] = None,
    results: Annotated[str, typer.Option(help="Folder or URL (s3://, gs://) of the sweeps' folders.")] = "results",
    plan: Annotated[bool, typer.Option("--plan", help="Print cells and costs, and stop.")] = False,
    address: Annotated[str | None, typer.Option(help="Join a running Ray cluster: auto, or its address.")] = None,
    only: Annotated[
        str | None,
        typer.Option(help="Cells to run: 'P=64|128,K=2', 'D<=P', 'optimizer.learning_rate=1e-3', 'status=failed', ..."),
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
    track: Annotated[
        list[str] | None,
        typer.Option(metavar="TRACKER", help="Follow runs by tensorboard, wandb, mlflow or my_module:MyTracker too."),
    ] = None,
    notify: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="Run this at the end, however it ends: the outcome as JSON on its stdin."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan or the outcome as JSON.")] = False,
) -> None:
    """Run every cell of a grid, or what is missing of it."""
    from sweeps.monitoring import summary
    from sweeps.monitoring.notification import notifying
    from sweeps.planning import preview
    from sweeps.planning.launch_limits import Limits
    from sweeps.planning.sweep import open_sweep, require_here

    if cell is not None and (only or address or plan or calibrate or max_concurrent):
        raise UserError("--cell: trains one cell without Ray; leave --only, --plan, --address and the like out")
    if cell is not None and until is not None:
        raise OptionError("until", "chooses its cells itself; leave --cell out, or give --local for a job array")
    if price is not None and not plan:
        raise OptionError("price", "is what the plan is multiplied by; add --plan")
    require_price(price)
    if local and (until is None or address or plan or calibrate or max_concurrent):
        raise OptionError(
            "local",
            "trains one rung after the other without Ray; give --until, and leave --address, --plan, --calibrate and "
            "--max-concurrent out",
        )
    if notify is not None and plan:
        raise OptionError("notify", "is run when a launch has ended; leave it out of --plan")
    with notifying(notify, str(grid)) as tell:
        sweep = open_sweep(grid, results, only, overrides or (), track or ())
        target = None
        if until is not None:
            from sweeps.execution.adaptive.until import parse_until

            target = parse_until(until)
        limits = Limits.of(max_concurrent, time_limit, wait)
        if plan:
            if calibrate:
                from sweeps.execution import launching  # brings Ray with it

                launching.calibrate(sweep, address, limits)
            elif address:
                note = f"the times are of this machine; add --calibrate to measure on the cluster {address}"
                print_wrapped(f"note: {note}", sys.stderr)
            else:
                require_here(sweep)
            raise typer.Exit(preview.show(sweep, max_concurrent, as_json, target, price))
        if cell is not None:
            from sweeps.execution.local import train_one

            sweep, outcome = train_one(sweep, cell, limits)
        elif target and local:
            from sweeps.execution.adaptive.local import train_until

            outcome = train_until(sweep, target, limits)
        else:
            from sweeps.execution import launching

            outcome = launching.train(sweep, address, limits, calibrate, target)
        tell({**summary.report(sweep, outcome), "exit_code": outcome.exit_code})
        code = summary.show(sweep, outcome, as_json)
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
