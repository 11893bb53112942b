"""Take a trained network, or the tables of a sweep, out of its store: `sweeps/export.py RESULTS RUN_ID --to DIR`."""

from __future__ import annotations

from typing import Annotated

import typer

from sweeps.cli.app import guarded, new_app
from sweeps.cli.errors import OptionError, UserError

EXAMPLE = "Example: python sweeps/export.py results/quickstart --tables --to quickstart-tables"
app = new_app()


@app.command(epilog=EXAMPLE)
@guarded
def export(
    results: Annotated[str, typer.Argument(help="A sweep's folder or URL, such as results/quickstart.")],
    run_id: Annotated[str | None, typer.Argument(help="The run whose network is exported.")] = None,
    to: Annotated[str, typer.Option(help="Folder or URL to write to; must be empty or absent.")] = "",
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="torchvision (ResNets), timm (ResNets, timm encoders), open_clip (dual encoders), plain (others). "
            "Default: the first of these that the encoder has.",
        ),
    ] = None,
    tables: Annotated[
        bool, typer.Option("--tables", help="Export the sweep's runs, trajectories and measures.")
    ] = False,
) -> None:
    """Write a network as safetensors with its configuration and a model card, or a sweep as three parquet files with a
    data card, in the form of the Hugging Face Hub."""
    from sweeps.storage.filesystems import to_path, write_atomically
    from sweeps.storage.output_targets import new_folder
    from sweeps.storage.sweep_store import Store

    if not to:
        raise OptionError("to", "is missing; name a folder to write to")
    if tables == (run_id is not None):
        raise UserError("give a RUN_ID to export its network, or --tables to export the sweep's tables: one of both")
    if tables and form is not None:
        raise OptionError("format", "is for networks; leave it out with --tables")
    target = to_path(to)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OptionError("to", f"{to} exists and is not empty; name a folder that is absent or empty")
    store = Store(results)
    if store.root.absolute() in target.absolute().parents:
        raise OptionError("to", f"{to} lies in the sweep {results}, among its own files; choose another place")
    if run_id is None:
        from sweeps.exporting.tables import table_files

        files = table_files(store)
    else:
        from sweeps.execution.encoder_loading import kept_network
        from sweeps.exporting.model import model_files

        spec, kept = kept_network(store, run_id)
        files = model_files(store, spec, kept, form)
    with new_folder(target) as folder:
        for name, content in files.items():
            write_atomically(folder / name, content)
    print(f"{to}: {', '.join(files)}")


if __name__ == "__main__":
    app()
