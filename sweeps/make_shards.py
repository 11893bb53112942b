"""Write tar shards of image-text pairs: `python sweeps/make_shards.py IMAGES TABLE -o DIR`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli.app import guarded, new_app
from sweeps.cli.errors import UserError
from sweeps.cli.formatting import counted

NAMED = 20  # rows left out that are named one by one
EXAMPLE = "Example: python sweeps/make_shards.py photos captions.csv -o shards --image-column file"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def make_shards(
    images: Annotated[Path, typer.Argument(help="Folder of images (JPEG, PNG, WebP, BMP, TIFF, GIF).")],
    table: Annotated[Path, typer.Argument(help="Captions: a .csv, .jsonl or .parquet file, a row for each caption.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for 00000.tar ...; absent or empty.")],
    samples_per_shard: Annotated[int, typer.Option(min=1, max=1_000_000)] = 10_000,
    image_column: Annotated[str, typer.Option(help="Column of file names, relative to IMAGES.")] = "image",
    caption_column: Annotated[str, typer.Option(help="Column of captions.")] = "caption",
) -> None:
    """Write images with their captions as the tar shards that `dataset: {name: shards}` reads.

    Several rows of one image are several captions of it. Exit code 1 where rows were left out: their image is missing
    or unreadable, or they have no caption.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from mmcr_core.data.shards.caption_table import TableError, captioned
    from mmcr_core.data.shards.index import shown
    from mmcr_core.data.shards.writer import write_shards
    from sweeps.storage.output_targets import new_folder

    if not images.is_dir():
        raise UserError(f"{images} is not a folder; give the folder that the table's file names are relative to")
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"{output} is there already and is no empty folder; give one that is absent or empty")
    try:
        said = captioned(table, image_column, caption_column)
    except TableError as error:
        raise UserError(str(error)) from error
    if not said.captions:
        first = f" ({said.left_out[0]})" if said.left_out else ""
        raise UserError(f"{table} has no row with an image and a caption{first}; fill in its columns")
    console = Console(stderr=True)
    columns = (TextColumn("writing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("writing", total=len(said.captions))
        with new_folder(output) as folder:
            written = write_shards(images, said.captions, folder, samples_per_shard, lambda: progress.advance(task))
    left_out = [*map(str, said.left_out), *(f"{shown(name)}: {why}" for name, why in written.left_out.items())]
    for line in left_out[:NAMED]:
        print(line, file=sys.stderr)
    if len(left_out) > NAMED:
        print(f"and {len(left_out) - NAMED} more", file=sys.stderr)
    if not written.samples:
        raise UserError(f"no image of {table} could be read, so nothing is written; see the lines above")
    account = said.account(written.left_out)
    if left_out:
        print(account.remark(str(table), "rows" if table.suffix.lower() == ".parquet" else "lines"), file=sys.stderr)
    samples, shards = counted(written.samples, "sample"), counted(written.shards, "shard")
    print(f"{samples} in {shards} in {output}, {account.seen - account.used} left out")
    raise typer.Exit(1 if left_out else 0)


if __name__ == "__main__":
    app()
