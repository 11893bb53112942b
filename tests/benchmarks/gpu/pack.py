"""What a GPU machine without this project's data needs beside the code: `python -m tests.benchmarks.gpu.pack IMAGES`.

Copies the parquet file of images to build/gpu-carry (ignored by git), unchanged, since a run knows images by the
file's bytes, and writes the commit and a digest of the code beside it; then says how large all is
with the tree of the code.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.gpu.__main__ import CARRIED, code_digest, commit
from tests.benchmarks.gpu.supervisor import REPOSITORY


def main() -> None:
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        sys.exit("give one parquet file of images: python -m tests.benchmarks.gpu.pack FILE.parquet")
    images = Path(sys.argv[1])
    shutil.rmtree(CARRIED, ignore_errors=True)
    CARRIED.mkdir(parents=True)
    shutil.copyfile(images, CARRIED / images.name)
    (CARRIED / "commit.txt").write_text(f"{commit()} {code_digest()}\n")
    listed = subprocess.run(["git", "-C", REPOSITORY, "ls-files", "-z"], capture_output=True, check=True).stdout
    files = [REPOSITORY / name for name in listed.decode().split("\0") if name]
    reference = REPOSITORY / "results" / "reference"
    there = [file for file in files if file.is_file()]
    stores = size([file for file in there if file.is_relative_to(reference)])
    print(f"{CARRIED}: {size(list(CARRIED.iterdir())):.1f} MiB; code {size(there) - stores:.1f} MiB; "
          f"results/reference {stores:.1f} MiB, which a GPU machine does not need")  # fmt: skip


def size(files: list[Path]) -> float:
    """MiB."""
    return sum(file.stat().st_size for file in files) / 2**20


if __name__ == "__main__":
    main()
