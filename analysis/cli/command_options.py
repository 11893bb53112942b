"""Arguments and options that analysis commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from analysis.cli.printed_width import Width

RESULTS = Annotated[
    list[str],
    typer.Argument(help="A sweep's folder or URL, such as results/quickstart; the runs of several are taken together."),
]
FIGURES = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        file_okay=False,
        help="Folder of figures and tables. Default: in RESULTS, of several in A+B beside A.",
    ),
]
BEST_OVER = Annotated[
    str | None,
    typer.Option(
        help="A swept setting, such as optimizer.learning_rate: analyze in each cell the runs of that value alone with "
        "which the final error is lowest."
    ),
]

WIDTH = Annotated[
    Width, typer.Option(help="What figures are printed across: a US-letter page (6.75 in) or one of its two columns.")
]
VIEWS = Annotated[Literal["smallest", "all"], typer.Option(help="Draw panels for the smallest K, or for all.")]
