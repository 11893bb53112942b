"""Every key of a grid file, with its values, default and meaning: `python sweeps/config_reference.py optimizer`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sweeps.cli.app import guarded, new_app
from sweeps.cli.console import columns
from sweeps.cli.errors import UserError
from sweeps.cli.generated_markdown import between_markers, read_marked, write_marked

EXAMPLE = "Example: python sweeps/config_reference.py optimizer"
WIDTH = 100  # of a line, at most
GRIDS = Path(__file__).parent / "grids"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def config_reference(
    key: Annotated[str, typer.Argument(help="Only this key and those inside it, such as optimizer.")] = "",
    write: Annotated[Path | None, typer.Option(help="Write the tables of a page, between its two markers.")] = None,
    schema: Annotated[Path | None, typer.Option(help="Write the JSON schema of grid files, for editors.")] = None,
) -> None:
    """Print every key of a grid file: what it may be, what it is where it is left out, what it means."""
    from sweeps.config.key_reference import BEGIN, END, below, key_rows, lines, markdown
    from sweeps.config.schema import schema_text
    from sweeps.storage.output_targets import write_target

    if schema:
        write_target(schema, schema_text().encode())
    rows = key_rows()
    if write:
        if key:
            raise UserError("--write: writes all keys; leave the key out")
        texts = {f"sweeps/grids/{file.name}": file.read_text(encoding="utf-8") for file in sorted(GRIDS.glob("*.yaml"))}
        page = read_marked(write, BEGIN, END)
        write_marked(write, between_markers(page, BEGIN, END, markdown(rows, texts)))
    if write or schema:
        return
    console = Console()
    width = min(columns(sys.stdout) or WIDTH, WIDTH)
    console.print(lines(below(rows, key) if key else rows, width), highlight=False, soft_wrap=True, end="")


if __name__ == "__main__":
    app()
