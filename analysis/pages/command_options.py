"""What the analysis commands share: the argument RESULTS, the option --output of figures, a typer app."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RESULTS = Annotated[str, typer.Argument(help="A sweep's folder or URL, such as results/quickstart.")]
FIGURES = Annotated[
    Path | None, typer.Option("-o", "--output", file_okay=False, help="Folder of the figures. Default: in RESULTS.")
]


def new_app() -> typer.Typer:
    """An app of one command, without completion options and without typer's own tracebacks."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False)
