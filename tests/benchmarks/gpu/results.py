"""At home: what came back from a GPU becomes benchmark files, a store with figures, and claims.

    python -m tests.benchmarks.gpu.results FOLDER [--root results]

FOLDER holds rows.jsonl and store.tar. Benchmarks go to ROOT/benchmarks/gpu-NAME-DEVICE.json (checks, cells,
nuclear-norm, grid), so that machines stand side by side; each store goes to ROOT/reference/NAME. A file that is there
with other content is an error, and nothing is written.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.gpu import rows
from tests.benchmarks.gpu.rows import Row
from tests.benchmarks.gpu.summary import summary

REPOSITORY = Path(__file__).parents[3]
BENCHMARKS = {  # name -> title, stages
    "checks": ("Checks on a GPU", ("checks", "resuming")),
    "cells": ("The paper's cells: bare encoder step over full step, memory, kernels", ("ceilings", "speed")),
    "nuclear-norm": ("Nuclear norm, value and gradient, against torch's SVD", ("nuclear_norms",)),
    "grid": ("Cells of the grid as they were trained", ("grid_cells",)),
}
EVENTS = ("begun", "ended", "stage ended")  # of no use afterwards
COMMANDS = ("plot_double_descent", "plot_scaling", "plot_grid_law", "report")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu.results", description="Take results home.")
    parser.add_argument("folder", type=Path, help="what came back: rows.jsonl, store.tar")
    parser.add_argument("--root", type=Path, default=REPOSITORY / "results", help="where results lie (results)")
    given = parser.parse_args()
    found = rows.read(given.folder / "rows.jsonl")
    if not found:
        sys.exit(f"{given.folder / 'rows.jsonl'}: holds no rows; give the folder that came back")
    stores = unpack(given.folder / "store.tar", given.root / "reference")
    for file in write_benchmarks(found, given.root / "benchmarks"):
        print(file)
    failed = [name for store in stores for name in draw(store)]
    print(summary(found)[0])
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def write_benchmarks(found: list[Row], folder: Path) -> list[Path]:
    """A file a benchmark, with the hardware and versions that the first stage found."""
    told = next((row for row in found if "versions" in row), {})
    device = str(told.get("device", "unknown device"))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, (title, stages) in BENCHMARKS.items():
        kept = [row for row in found if row.get("stage") in stages and row.get("event") not in EVENTS]
        if not kept:
            continue
        content = {
            "benchmark": f"gpu-{name}",
            "title": title,
            "measured_at": datetime.fromtimestamp(found[0]["time"], UTC).isoformat(timespec="seconds"),
            "device": device,
            "processor": told.get("processor"),
            "cores": told.get("cores"),
            "git_commit": told.get("commit"),
            "versions": told.get("versions"),
            "rows": [{key: value for key, value in row.items() if key not in ("time", "traceback")} for row in kept],
        }
        file = folder / f"gpu-{name}-{slug(device)}.json"
        file.write_text(json.dumps(content, indent=2) + "\n")
        written.append(file)
    return written


def slug(device: str) -> str:
    """A device's name as part of a file's."""
    return re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")


def unpack(archive: Path, target: Path) -> list[Path]:
    """The stores of an archive, into folders of `target`. Exits, with nothing written, where a file is there with other
    content."""
    if not archive.is_file():
        return []
    with tarfile.open(archive) as opened:
        files = [member for member in opened.getmembers() if member.isfile()]
        differing = [file.name for file in files if differs(target / file.name, read(opened, file))]
        if differing:
            some = f"{len(differing)} files of the store are there with other content, such as {differing[0]}"
            sys.exit(f"{target}: {some}; move that store away first")
        opened.extractall(target, members=files, filter="data")
    return sorted({target / Path(file.name).parts[0] for file in files})


def differs(file: Path, content: bytes) -> bool:
    return file.is_file() and file.read_bytes() != content


def read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    return stream.read() if stream else b""


def draw(store: Path) -> list[str]:
    """Figures, report and claims of a store, by the ordinary commands; the names of those that failed."""
    failed, here = [], {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    for name in (*COMMANDS, "claims"):
        command = [sys.executable, f"analysis/{name}.py", str(store.resolve())]
        ran = subprocess.run(command, cwd=REPOSITORY, env=here, check=False)
        if ran.returncode:
            failed.append(f"{name} of {store.name}")
    return failed


if __name__ == "__main__":
    main()
