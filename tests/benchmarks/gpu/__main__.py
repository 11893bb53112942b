"""The command: `python -m tests.benchmarks.gpu`. Exit code 1 where something does not hold or broke."""

from __future__ import annotations

import time

STARTED = time.monotonic()

import argparse  # noqa: E402
import hashlib  # noqa: E402
import os  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from tests.benchmarks.gpu.supervisor import REPOSITORY, Supervisor  # noqa: E402

CODE = ("mmcr_core", "sweeps", "tests/benchmarks")
CARRIED = REPOSITORY / "build" / "gpu-carry"  # what `make gpu-pack` makes


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description="What only a GPU can answer.")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to rehearse on small shapes")
    parser.add_argument("--seconds", type=float, default=520, help="when it ends, whatever is under way (520)")
    parser.add_argument("--out", type=Path, help="folder of the files (default: $OUT, else build/gpu)")
    parser.add_argument(
        "--continue", dest="earlier", type=Path, metavar="FOLDER", help="keep what went well in an earlier one's files"
    )
    parser.add_argument("--images", help=f"parquet file of images for the grid (default: {CARRIED}/*.parquet)")
    given = parser.parse_args()
    if given.device.startswith("cuda") and not has_gpu():
        sys.exit("no GPU was found; --device cpu rehearses on small shapes")
    out = given.out or Path(os.environ.get("OUT") or REPOSITORY / "build" / "gpu")
    real = given.device.startswith("cuda")
    images = given.images or next(iter(map(str, sorted(CARRIED.glob("*.parquet")))), None) if real else given.images
    if images and not Path(images).is_file():
        sys.exit(f"--images: {images} is not a file")
    if given.earlier and not (given.earlier / "rows.jsonl").is_file():
        sys.exit(f"--continue: {given.earlier / 'rows.jsonl'} is not a file; give the folder of an earlier command")
    if given.earlier and given.earlier.resolve() == out.resolve():
        sys.exit(f"--continue: {given.earlier} is where the files of this command go; give another --out")
    side_by_side = min(16, os.cpu_count() or 1) if real else 2
    supervisor = Supervisor(
        given.device,
        given.seconds,
        out,
        images,
        commit(),
        given.earlier,
        side_by_side=side_by_side,
        started=STARTED,
    )
    sys.exit(supervisor.run())


def has_gpu() -> bool:
    """Whether there is a GPU, asked without touching one."""
    if any(Path("/dev").glob("nvidia[0-9]*")):
        return True
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    return "GPU" in listed


def commit() -> str:
    """The commit of this code: what was packed beside the images where that is of this very code, else git's word. A
    copy of a working tree may come with a repository that stands elsewhere, or with none."""
    packed = CARRIED / "commit.txt"
    if packed.exists() and packed.read_text().split()[1:] == [code_digest()]:
        return packed.read_text().split()[0]
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def code_digest() -> str:
    """SHA-256 of the names and bytes of the code that trains and measures."""
    digest = hashlib.sha256()
    for file in sorted(file for folder in CODE for file in (REPOSITORY / folder).rglob("*.py")):
        digest.update(file.relative_to(REPOSITORY).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
