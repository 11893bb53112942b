"""How analysis commands open sweeps."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from analysis.cli.output_files import printable, write, write_csv
from analysis.cli.printed_width import Width, printed_at
from analysis.cli.terminal_table import print_table
from analysis.results.best_hyperparameter import Best
from analysis.results.display_names import with_names
from analysis.results.errors import ResultsError
from analysis.results.results import Results, open_results
from analysis.results.sweep_folder import WRITTEN, sweep_folders
from analysis.sweep_analysis import SweepAnalysis
from sweeps.cli.console import print_wrapped
from sweeps.cli.formatting import counted
from sweeps.cli.progress import track
from sweeps.storage.filesystems import to_path
from sweeps.storage.merging import merge
from sweeps.storage.sweep_store import Store


@contextlib.contextmanager
def open_pooled(
    places: list[str], best_over: str | None, output: Path | None, width: Width = Width.PAGE
) -> Iterator[tuple[Results, Path]]:
    """The tables of a sweep, of the best runs over a swept setting if one is named, which is said; and the folder of
    its figures. Several sweeps are one: a run that two have counts once, runs that differ in a setting are variants.
    The tables that are written of several go beside their figures. Within it, figures are drawn for `width`.
    """
    if len(places) == 1:
        opened = open_each(places, best_over, output)[0]
        with printed_at(width):
            yield opened, output or opened.root / "figures"
        return
    folders = sweep_folders(places)
    name = "+".join(to_path(folder.label).name for folder in folders)
    with tempfile.TemporaryDirectory(prefix="mmcr-sweeps-") as temporary:
        pooled = Path(temporary, name)
        merged = merge([Store(folder.root) for folder in folders], Store(pooled), name, for_figures=True)
        if merged.differing:
            print(
                f"note: {counted(len(merged.differing), 'run')} of the same id but other content, such as "
                f"{merged.differing[0]}; those of the sweep named first are used",
                file=sys.stderr,
            )
        figures = output or folders[0].root.parent / name / "figures"
        with printed_at(width):
            yield open_each([str(pooled)], best_over, figures)[0], figures
        for table in pooled.glob("*.parquet"):
            if table.stem in WRITTEN:
                write(table.read_bytes(), (output or figures.parent) / table.name)


@contextlib.contextmanager
def analyze(
    places: list[str], best_over: str | None, output: Path | None, width: Width = Width.PAGE
) -> Iterator[tuple[SweepAnalysis, Path]]:
    """The analysis of what `open_pooled` opens, and the folder of its figures."""
    with open_pooled(places, best_over, output, width) as (results, figures):
        yield SweepAnalysis(results, track), figures


def open_each(places: list[str], best_over: str | None, figures: Path | None = None) -> list[Results]:
    """The same of several sweeps; those in which the setting does not vary are taken whole. What won in each cell is
    printed and written as best_over.csv, to the folder of `figures`, by default the sweep's own. Raises ResultsError
    where the setting varies in none."""
    opened = [open_results(place) for place in places]
    if best_over is None:
        return opened
    chosen: dict[int, Results] = {}
    refused: list[ResultsError] = []
    for place, whole in enumerate(opened):
        try:
            chosen[place] = whole.best_over(best_over)
        except ResultsError as error:
            refused.append(error)
    if not chosen:
        raise refused[0]
    for one in chosen.values():
        _tell(one.require_best(), one.root, figures or one.root / "figures")
    return [chosen.get(place, whole) for place, whole in enumerate(opened)]


def _tell(best: Best, sweep: Path, folder: Path) -> None:
    """Print, to standard error, and write which value won in each cell."""
    one = ["variant"] if best.winners["variant"].nunique() == 1 else []
    spare = ["tried", "shown_error"]
    print_table(
        with_names(best.winners.drop(columns=one)), f"{sweep.name}: the best {best.key} of each cell", spare, sys.stderr
    )
    for text in best.remarks:
        print_wrapped(text, sys.stderr)
    path = folder / "best_over.csv"
    write_csv(best.winners, path)
    print(printable(path), file=sys.stderr)
