"""A stage's process: `python -m tests.benchmarks.gpu.stage STAGE SETTING [TASK ...]`, started by the supervisor.

A stage's module names its tasks; each yields rows. A task that raises costs only itself. Where the process can do
nothing more on the device, as after a failed capture, it ends with AGAIN, and the supervisor starts another for the
tasks that are left: a task is begun `TRIES` times at most, once where its module doesn't say.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.benchmarks.gpu import rows
from tests.benchmarks.gpu.rows import Row

AGAIN = 75  # exit code: start me again, I have tasks left
LAST_LINES = 12
Tasks = dict[str, Callable[[], Iterable[Row]]]


@dataclass(frozen=True)
class Setting:
    """What every stage is told. Times are those of time.monotonic(), which all processes of a machine share; `work`
    is a folder of this run, `out` what comes home, `images` a parquet file."""

    device: str
    out: str
    work: str
    ends_at: float
    images: str | None = None
    commit: str | None = None

    @property
    def real(self) -> bool:
        """Whether shapes are the real ones: on a GPU."""
        return self.device.startswith("cuda")

    @property
    def rows_file(self) -> Path:
        return Path(self.out) / "rows.jsonl"

    def seconds_left(self) -> float:
        """Until this stage is killed."""
        return self.ends_at - time.monotonic()

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def main() -> None:
    name, text, *chosen = sys.argv[1:]
    setting = Setting(**json.loads(text))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    faulthandler.register(signal.SIGTERM, chain=True)  # where it hung, for the log
    module = importlib.import_module(name if "." in name else f"tests.benchmarks.gpu.{name}")
    tries = getattr(module, "TRIES", 1)
    begun = Counter(row["task"] for row in rows.read(setting.rows_file) if is_begun(row, name))
    ended = tasks_ended(rows.read(setting.rows_file), name)
    for task, work in module.tasks(setting).items():
        due = (not chosen or task in chosen) and task not in ended and begun[task] < tries
        if due and not run(name, task, work, setting):
            sys.exit(AGAIN)


def tasks_ended(found: Iterable[Row], stage: str) -> set[str]:
    """The tasks of a stage that need not be begun again."""
    return {row["task"] for row in found if row.get("stage") == stage and "task" in row and "seconds" in row}


def is_begun(row: Row, stage: str) -> bool:
    return row.get("stage") == stage and row.get("event") == "begun"


def run(stage: str, task: str, work: Callable[[], Iterable[Row]], setting: Setting) -> bool:
    """One task, its rows written as they come; whether this process can go on."""
    where: Row = {"stage": stage, "task": task}
    rows.append(setting.rows_file, where | {"event": "begun"})
    began = time.perf_counter()
    try:
        for row in work():
            rows.append(setting.rows_file, where | row)
    except Exception as error:
        from mmcr_core.training import process_must_end

        traceback.print_exc()
        lines = traceback.format_exc().strip().splitlines()[-LAST_LINES:]
        what = {"event": "failed", "error": f"{type(error).__name__}: {error}"[:1000], "traceback": lines}
        rows.append(setting.rows_file, where | what)
        if process_must_end(error):
            return False
    seconds = round(time.perf_counter() - began, 2)
    rows.append(setting.rows_file, where | {"event": "ended", "seconds": seconds})
    return True


if __name__ == "__main__":
    main()
