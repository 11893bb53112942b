"""What an adaptive sweep would have done on a finished one, beside other orders: python analysis/replay.py RESULTS.

python analysis/replay.py results/reference/digits --until 5%
python analysis/replay.py results/reference/cifar10 --until max:5% --starts 5 --json

Writes figures/replay.{png,pdf}.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from analysis.cli.command_options import BEST_OVER, FIGURES, RESULTS, WIDTH
from analysis.cli.printed_width import Width
from analysis.results.errors import ResultsError
from sweeps.cli.app import guarded, new_app
from sweeps.cli.console import print_wrapped
from sweeps.cli.formatting import counted
from sweeps.cli.progress import track

EXAMPLE = "Example: python analysis/replay.py results/reference/cifar10 --until 5%"
app = new_app()


class Policy(StrEnum):
    adaptive = "adaptive"
    random = "random"
    cheapest = "cheapest"
    v_optimal = "v-optimal"


@app.command(epilog=EXAMPLE)
@guarded
def main(
    results: RESULTS,
    until: Annotated[
        str, typer.Option(help="What the sweep would have stopped at: 5%, max:5%, knn_accuracy=0.01.")
    ] = "5%",
    starts: Annotated[int, typer.Option(min=1, help="Repetitions of each policy, each from other first runs.")] = 20,
    policy: Annotated[
        list[Policy] | None, typer.Option(help="One or several of adaptive, random, cheapest, v-optimal. Default: all.")
    ] = None,
    width: WIDTH = Width.PAGE,
    output: FIGURES = None,
    best_over: BEST_OVER = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of objects.")] = False,
) -> None:
    """Replay a finished sweep as if it had been trained in rungs until the rest could be predicted."""
    from analysis.cli.opening import analyze
    from analysis.cli.output_files import printable
    from analysis.cli.replay_text import readable
    from analysis.cli.terminal_table import print_table
    from analysis.estimates.adaptive_replay import FinishedSweep, replay, summary
    from analysis.figures.predictions.replay_curves import draw
    from analysis.figures.style import save
    from analysis.fitting.forecast.target_text import parse_target

    try:
        quantity, target = parse_target(until)
    except ValueError as error:
        raise ResultsError(f"--until: {error}") from error
    with analyze(results, best_over, output, width) as (analysis, folder):
        sweep = FinishedSweep.of(analysis.planned, analysis.measured_along(quantity), quantity)
        if whole := sweep.whole_alone():
            known = f"{quantity} of {whole} of {counted(len(sweep.runs), 'run')} is known at the end alone"
            print_wrapped(f"note: {known}: these are trained whole or not at all", sys.stderr)
        ways = {
            each.value: [replay(sweep, target, each.value, start) for start in track(range(starts), each.value)]
            for each in dict.fromkeys(policy or Policy)
        }
        table = summary(ways)
        if as_json:
            print(table.to_json(orient="records", indent=2))
        else:
            print_table(
                readable(table, sweep.relative), f"Where {len(sweep.runs)} runs would have stopped, --until {until}"
            )
        path = save(draw(ways, target, quantity, len(sweep.runs)), folder, "replay")
        print(printable(path), file=sys.stderr)


if __name__ == "__main__":
    app()
