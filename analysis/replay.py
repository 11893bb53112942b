"""What an adaptive sweep would have done on a finished one, beside other orders: python analysis/replay.py RESULTS.

python analysis/replay.py results/reference/digits --until 5%
python analysis/replay.py results/reference/cifar10 --until max:5% --starts 5 --json

Writes figures/replay.{png,pdf}.
"""

from __future__ import annotations

from typing import Annotated

import typer

from analysis.cli.command_options import BEST_OVER, FIGURES, RESULTS, analyze
from analysis.cli.output_files import printable
from analysis.cli.progress import tracked
from analysis.cli.terminal_table import print_table
from analysis.estimates.adaptive_replay import POLICIES, replay, summary
from analysis.figures.replay_figure import draw
from analysis.figures.style import save
from analysis.fitting.forecast.stopping import parse_target
from analysis.results.errors import ResultsError
from sweeps.cli.app import guarded, new_app

EXAMPLE = "Example: python analysis/replay.py results/reference/cifar10 --until 5%"
app = new_app()
