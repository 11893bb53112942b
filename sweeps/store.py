"""Check, compact and merge result stores: `python sweeps/store.py check|compact|merge RESULTS`."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli.app import guarded, new_app
from sweeps.cli.console import print_wrapped
from sweeps.cli.errors import UserError
from sweeps.cli.formatting import counted
from sweeps.cli.progress import track

if TYPE_CHECKING:
    from sweeps.storage.packing.fsck_packed import Finding
    from sweeps.storage.sweep_store import Store

EXAMPLE = "Example: python sweeps/store.py check results/quickstart"
RESULTS = Annotated[str, typer.Argument(help="A sweep's folder or URL, such as results/quickstart.")]
PARTS = ("runs", "packed", "trajectories", "checkpoints", "cells.parquet")  # of which a store has one
app = new_app(help="Check, compact, merge or migrate result stores.", epilog=EXAMPLE)


@app.command(epilog=EXAMPLE)
@guarded
def check(
    results: RESULTS, repair: Annotated[bool, typer.Option(help="Repair what can be repaired safely.")] = True
) -> None:
    """Verify every file; exit code 1 where something is wrong, repaired or not."""
    from sweeps.monitoring.edited_rows import edited_rows
    from sweeps.storage.fsck import examine

    store = _opened(results)
    findings: list[Finding] = []
    try:
        checks = examine(store, repair, lambda runs: track(runs, "checking")), edited_rows(store, repair)
        findings.extend(itertools.chain(*checks))
    finally:  # also where the rest could not be checked, or was not waited for
        for finding in findings:
            print(f"{finding.file}: {finding.problem}; {finding.remedy}")
    wrong = sum(finding.wrong for finding in findings)
    listing = store.snapshot().listing
    runs = counted(len({*listing.rows, *listing.packed_at("runs")}), "run")
    print(f"{runs} checked, {counted(wrong, 'problem')}")
    raise typer.Exit(1 if wrong else 0)


@app.command(epilog="Example: python sweeps/store.py compact results/quickstart")
@guarded
def compact(results: RESULTS) -> None:
    """Pack all finished runs into few files; readers see each run and each step once at every moment."""
    from sweeps.storage.packing import compaction

    packed = compaction.compact(_opened(results), lambda runs: track(runs, "compacting"))
    print(f"{counted(packed.runs, 'run')} packed, {counted(packed.files, 'file')} fewer")
    if packed.left:
        shown = ", ".join(packed.left[:3]) + (", ..." if len(packed.left) > 3 else "")
        print_wrapped(
            f"{len(packed.left)} finished runs are left as they are ({shown}): they are damaged, not whole, or being "
            f"written; see: python sweeps/store.py check {results}"
        )


@app.command(epilog="Example: python sweeps/store.py merge results/here results/there -o results/both")
@guarded
def merge(
    results: Annotated[list[str], typer.Argument(help="Folders or URLs of sweeps, two or more.")],
    output: Annotated[str, typer.Option("-o", "--output", help="Folder or URL of the new store; must not exist yet.")],
) -> None:
    """Make one store of several: each run that has ended once, refused where two stores differ in one."""
    from sweeps.storage import merging
    from sweeps.storage.output_targets import new_folder
    from sweeps.storage.sweep_store import Store

    stores, target = [_opened(place) for place in results], Store(output)
    if len({str(store.root.absolute()) for store in stores}) < max(2, len(stores)):
        raise UserError("give two or more stores that differ")
    if inside := [store.root for store in stores if store.root.absolute() in target.root.absolute().parents]:
        raise UserError(f"--output: {output} lies in the sweep {inside[0]}, among its own files; choose another place")
    if target.root.exists() and (not target.root.is_dir() or any(target.root.iterdir())):
        raise UserError(f"--output: {output} exists already; name a folder that does not")
    with new_folder(target.root) as folder:
        merged = merging.merge(stores, Store(folder), target.root.name)
    print(f"{counted(merged.runs, 'run')} in {output}, {merged.shared} of them in several stores alike")


@app.command(epilog="Example: python sweeps/store.py migrate results/quickstart")
@guarded
def migrate(results: RESULTS) -> None:
    """Bring a store of an older version into the form of this one; it is read as it is, too."""
    from sweeps.exporting import migration  # brings torch with it

    done = migration.migrate(_opened(results), lambda runs: track(runs, "migrating"))
    weights, claims = counted(done.weights, "network"), counted(done.claims, "lapsed claim")
    print(f"{weights} written as safetensors, {claims} removed")
    if done.left:
        shown = ", ".join(done.left[:3]) + (", ..." if len(done.left) > 3 else "")
        print_wrapped(
            f"{counted(len(done.left), 'run')} left as before ({shown}): a launch trains them, or what was kept of "
            "them is damaged"
        )


def _opened(results: str) -> Store:
    from sweeps.storage.filesystems import to_path
    from sweeps.storage.sweep_store import Store

    if not any((to_path(results) / name).exists() for name in PARTS):
        raise UserError(f"{results} is not a sweep's folder; give one such as results/quickstart")
    return Store(results)


if __name__ == "__main__":
    app()
