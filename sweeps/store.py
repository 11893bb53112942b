"""Check and compact a result store: `python sweeps/store.py check|compact RESULTS`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import track

from sweeps.storage.check import examine
from sweeps.storage.compact import compact_run
from sweeps.storage.errors import UserError
from sweeps.storage.files_and_urls import at
from sweeps.storage.sweep_store import Store

T = TypeVar("T")
EXAMPLE = "Example: python sweeps/store.py check results/quickstart"
RESULTS = Annotated[str, typer.Argument(help="A sweep's folder or URL, such as results/quickstart.")]
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLE)
def check(
    results: RESULTS, repair: Annotated[bool, typer.Option(help="Repair what can be repaired safely.")] = True
) -> None:
    """Verify every file; exit code 1 where something is wrong, repaired or not."""
    store = _opened(results)
    try:
        findings = list(examine(store, repair, lambda folders: _tracked(folders, "checking")))
    except UserError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    for finding in findings:
        print(f"{finding.file}: {finding.problem}; {finding.remedy}")
    runs = len(list((store.root / "runs").glob("*.parquet")))
    print(f"{runs} runs checked, {len(findings)} problems")
    raise typer.Exit(1 if findings else 0)


@app.command(epilog="Example: python sweeps/store.py compact results/quickstart")
def compact(results: RESULTS) -> None:
    """Merge the chunks of each finished run into one file; readers see each step once at every moment."""
    store = _opened(results)
    finished = [run_id for run_id, status in store.statuses().items() if status == "finished"]
    merged = sum(compact_run(store, run_id) for run_id in _tracked(finished, "compacting"))
    print(f"{merged} files merged into {len(finished)}")


def _tracked(items: Sequence[T], what: str) -> Iterator[T]:
    console = Console(stderr=True)
    return iter(track(items, what, console=console, transient=True, disable=not console.is_terminal))


def _opened(results: str) -> Store:
    if not (at(results) / "runs").is_dir():
        print(f"{results} is not a sweep's folder; give one such as results/quickstart", file=sys.stderr)
        raise typer.Exit(2)
    return Store(results)


if __name__ == "__main__":
    app()
