"""The tutorial, run as its reader would run it: `python -m tests.tutorial` compares, `--write` fills in what differs
and makes the figure again.

A ```yaml block whose first line is `# NAME.yaml` is saved under that name. Of a ```console block each line that begins
with `$ ` (and goes on in lines with `> `) is run, and what follows it must be what the command prints, in 100 columns
and without a GPU. Words must agree exactly. Masked are run ids, durations, sizes in memory and the number of cores,
which say more of a machine than of the page; spaces and borders of tables follow from the lengths of those. Numbers
with decimals may differ by TOLERANCE: training sums in another order on another processor, and from there two runs part
as far as two seeds do. The rows of a plan are compared in any order: it is that of estimated times.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from PIL import Image

from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs/tutorial.md"
FIGURE = ("results/views/figures/double_descent.png", REPOSITORY / "docs/tutorial.png")
CODE, STORES = ("mmcr_core", "sweeps", "analysis"), ("results/reference/digits",)
TOLERANCE = (0.05, 0.1)  # absolute, and of the number
BLOCK = re.compile(r"^```(yaml|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.*(?:\n> .*)*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
DECIMAL = re.compile(r"-?\d+(?:\.\d+(?:e[+-]\d+)?|e[+-]\d+)")
MASKS = (
    (re.compile(r"\b[0-9a-f]{16}\b"), "RUN"),
    (re.compile(r"\d+ (?:s|min|h)\b(?: \d+ (?:s|min)\b)?"), "TIME"),
    (re.compile(r"[\d.]+ [MG]iB"), "MEMORY"),
    (re.compile(r"\d+ CPU cores"), "CORES"),
    (re.compile(r"[━─┏┓┳┡┩╇└┘┴]+"), "-"),
)

PROGRESS = re.compile(r"\d\d:\d\d:\d\d ")  # a launch's lines, which a terminal shows as a table


@dataclass(frozen=True)
class Step:
    """A command of the page with the output that the page shows."""

    shown: str
    output: str

    @property
    def command(self) -> str:
        return self.shown.replace("\n> ", "\n")

    @property
    def of_trained(self) -> bool:
        """Whether it trains the page's sweep, or reads what was trained."""
        return "results/views" in self.command or self.command == "python sweeps/launch.py views.yaml"


def steps(console: str) -> list[Step]:
    """The commands of a ```console block."""
    return [Step(*match.groups()) for match in COMMAND.finditer(console)]


def comparable(output: str, any_order: bool = False) -> tuple[str, list[float]]:
    """An output as its words, with what may differ masked, and its decimals."""
    for pattern, mask in MASKS:
        output = pattern.sub(mask, output)
    lines = output.split("\n")
    rows = [line for line in lines if line.startswith("│")]
    if any_order:
        lines = [line for line in lines if line not in rows] + sorted(" ".join(row.split()) for row in rows)
    words = " ".join("\n".join(lines).split())
    return DECIMAL.sub("#", words), [float(number) for number in DECIMAL.findall(words)]


def agrees(step: Step, printed: str) -> bool:
    """Whether a command printed what the page shows."""
    plan = "--plan" in step.command
    (words, numbers), (shown, expected) = comparable(printed, plan), comparable(step.output, plan)
    absolute, relative = TOLERANCE
    return words == shown and all(
        abs(number - other) <= absolute + relative * abs(other) for number, other in zip(numbers, expected, strict=True)
    )


def workplace(folder: Path) -> dict[str, str]:
    """A folder as a clone is to a reader: the code by links, committed stores as copies. The environment to run in."""
    for name in CODE:
        (folder / name).symlink_to(REPOSITORY / name)
    for store in STORES:
        shutil.copytree(REPOSITORY / store, folder / store)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    caches = {"XDG_CACHE_HOME": str(folder / "cache"), "MPLCONFIGDIR": matplotlib.get_cachedir()}
    fixed = {"PATH": path, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "100", "CUDA_VISIBLE_DEVICES": ""}
    return os.environ | fixed | caches


def played(page: str, folder: Path, training: bool = True) -> Iterator[tuple[Step, str]]:
    """Each command of the page, run after all before it, and what it printed; without `training` those alone that need
    nothing of the page's own sweep."""
    environment = workplace(folder)
    for kind, block in BLOCK.findall(page):
        if kind == "yaml":
            (folder / block.split("\n")[0].removeprefix("# ")).write_text(block)
            continue
        for step in steps(block):
            if not training and step.of_trained:
                continue
            ran = subprocess.run(
                ["bash", "-c", step.command],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            lines = (line for line in ran.stdout.splitlines() if not PROGRESS.match(line))
            yield step, "".join(f"{line.rstrip()}\n" for line in lines)


def main() -> int:
    """Compare or fill in; 1 where the page shows what is not so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put what commands print in the place of what differs")
    write = parser.parse_args().write
    page, differ = PAGE.read_text(), []
    with tempfile.TemporaryDirectory(prefix="tutorial-") as folder:
        for step, printed in played(page, Path(folder)):
            if not agrees(step, printed):
                differ.append(step)
                page = page.replace(f"$ {step.shown}\n{step.output}", f"$ {step.shown}\n{printed}", 1)
                print(f"{'now' if write else 'differs'}: {step.command}\n{printed}")
        if write:
            PAGE.write_text(page)
            Image.open(Path(folder, FIGURE[0])).convert("P", palette=Image.Palette.ADAPTIVE).save(
                FIGURE[1], optimize=True
            )
    return int(bool(differ) and not write)


if __name__ == "__main__":
    sys.exit(main())
