"""The clock: starts each stage's processes, ends them at their deadline, and brings everything home in time.

It imports neither torch nor this project's packages, so that nothing on the GPU can break it. A process is a group of
its own and is ended as one; what it wrote until then stays. SIGTERM and Ctrl-C end the stage under way and all later
ones; archive and summary are written then too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.gpu import rows
from tests.benchmarks.gpu.archive import write_archive
from tests.benchmarks.gpu.continuing import begin_with
from tests.benchmarks.gpu.rows import Row
from tests.benchmarks.gpu.stage import AGAIN, LAST_LINES, Setting, is_begun, tasks_ended
from tests.benchmarks.gpu.stages import REHEARSAL_SECONDS, SECONDS, STAGES, Stage
from tests.benchmarks.gpu.summary import summary

REPOSITORY = Path(__file__).parents[3]
POLL_SECONDS = 0.05
ARCHIVE_SECONDS = 20.0  # between two archives of the store as it grows: this process may be killed too
LEAST_SECONDS = 4.0  # no process is started again with less time left
KILL_SECONDS = 1.0  # to wait for processes to end, once after SIGTERM and once after SIGKILL
LOG_BYTES = 200_000  # of each process's log come home
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass
class Process:
    """One process of a stage, which does `tasks` (all, where empty)."""

    tasks: tuple[str, ...]
    popen: subprocess.Popen[bytes]
    log: Path
    begun: int = 0  # tasks of its stage that had begun when it was started


@dataclass
class Supervisor:
    """One command of `seconds` on `device`, its files in `out`; it continues those in `earlier`."""

    device: str
    seconds: float
    out: Path
    images: str | None = None
    commit: str | None = None
    earlier: Path | None = None
    stages: Sequence[Stage] = STAGES
    side_by_side: int = 16
    clock: Callable[[], float] = time.monotonic
    started: float = field(default_factory=time.monotonic)
    stopped: bool = False

    def __post_init__(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        self.work = Path(tempfile.mkdtemp(prefix="mmcr-gpu-"))
        self.real = self.device.startswith("cuda")
        self._archived = time.monotonic()
        self._logs: list[Path] = []

    @property
    def rows_file(self) -> Path:
        return self.out / "rows.jsonl"

    def run(self) -> int:
        """All stages, archive and summary; 0 where everything holds, else 1."""
        for name in ("rows.jsonl", "summary.md", "store.tar", "profile.txt", "logs.txt"):
            (self.out / name).unlink(missing_ok=True)
        text, holds = "", False
        with self._caught():
            try:
                if self.earlier:
                    begin_with(self.earlier, self.rows_file, self.work / "store")
                self._note({"stage": "command", "device": self.device, "seconds": self.seconds, "commit": self.commit})
                for stage in self.stages:
                    self._try_stage(stage)
            finally:
                self._archive()
                self._bring_logs()
                self._note({"stage": "command", "event": "ended", "s": round(time.monotonic() - self.started, 1)})
                text, holds = summary(rows.read(self.rows_file))
                with contextlib.suppress(OSError):
                    (self.out / "summary.md").write_text(text)
                shutil.rmtree(self.work, ignore_errors=True)
        print("\n" + text, flush=True)
        return 0 if holds and not self.stopped else 1

    def _try_stage(self, stage: Stage) -> None:
        """A stage whose processes cannot be started costs itself alone."""
        try:
            self._run_stage(stage)
        except OSError as error:
            self._note({"stage": stage.name, "event": "failed", "error": f"{type(error).__name__}: {error}"})

    def _run_stage(self, stage: Stage) -> None:
        share = stage.until / SECONDS if self.real else stage.rehearsal_until / REHEARSAL_SECONDS
        ends_at = self.started + share * self.seconds
        waiting, running, began = self._groups(stage), list[Process](), time.monotonic()
        try:
            while (waiting or running) and not self.stopped and self.clock() < ends_at:
                while waiting and len(running) < self.side_by_side:
                    running.append(self._start(stage, waiting.pop(0), ends_at))
                for process in [process for process in running if process.popen.poll() is not None]:
                    running.remove(process)
                    waiting += self._ended(stage, process, ends_at)
                if time.monotonic() - self._archived > ARCHIVE_SECONDS:
                    self._archive()
                time.sleep(POLL_SECONDS)
        finally:
            why = "stopped by a signal" if self.stopped else "killed at its deadline"
            kill(*(process.popen for process in running))
            for process in running:
                self._note(
                    {"stage": stage.name, "event": "killed", "why": why, "tasks": process.tasks, **tail(process.log)}
                )
            for tasks in waiting:
                self._note({"stage": stage.name, "event": "not started", "tasks": tasks})
        took = time.monotonic() - began
        self._note({"stage": stage.name, "event": "stage ended", "s": round(took, 1), "of": round(ends_at - began, 1)})

    def _groups(self, stage: Stage) -> list[tuple[str, ...]]:
        """Tasks by process: each alone on a GPU; on a CPU, where no capture can fail, as few as run at once."""
        if not stage.tasks:
            return [()]
        ended = tasks_ended(rows.read(self.rows_file), stage.name)
        left = [task for task in stage.tasks if task not in ended]
        if self.real:
            return [(task,) for task in left]
        return [tuple(left[first :: self.side_by_side]) for first in range(min(self.side_by_side, len(left)))]

    def _start(self, stage: Stage, tasks: tuple[str, ...], ends_at: float) -> Process:
        log = self.work / "logs" / f"{len(self._logs):02d}-{stage.name}.txt"
        log.parent.mkdir(exist_ok=True)
        self._logs.append(log)
        images = self.images and str(Path(self.images).resolve())
        setting = Setting(self.device, str(self.out.resolve()), str(self.work), ends_at, images, self.commit)
        command = [sys.executable, "-m", "tests.benchmarks.gpu.stage", stage.name, setting.to_json(), *tasks]
        with log.open("wb") as stream:
            popen = subprocess.Popen(
                command, cwd=REPOSITORY, env=self._environment(stage), stderr=stream, start_new_session=True
            )
        return Process(tasks, popen, log, self._begun(stage))

    def _environment(self, stage: Stage) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
        here = {"PYTHONPATH": path, "PYTHONFAULTHANDLER": "1", "XDG_CACHE_HOME": str(self.work / "cache")}
        if stage.tasks or not self.real:  # side by side: a core each
            here |= {"OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
        return {**os.environ, **here}

    def _ended(self, stage: Stage, process: Process, ends_at: float) -> list[tuple[str, ...]]:
        """What to start after a process has ended: the same again, where it has tasks left and did one."""
        kill(process.popen)  # what it may have left of its group
        code = process.popen.returncode
        if code == 0:
            return []
        if code != AGAIN:
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            self._note({"stage": stage.name, "event": "died", "how": name, "tasks": process.tasks, **tail(process.log)})
        alone = len(process.tasks) == 1
        more = not alone and self._begun(stage) > process.begun and ends_at - self.clock() > LEAST_SECONDS
        return [process.tasks] if more else []

    def _begun(self, stage: Stage) -> int:
        return sum(is_begun(row, stage.name) for row in rows.read(self.rows_file))

    def _archive(self) -> None:
        """The store as it stands; a failure costs the archive alone."""
        self._archived = time.monotonic()
        try:
            left_out = write_archive(self.work / "store", self.out / "store.tar")
        except Exception as error:
            self._note({"stage": "command", "event": "no archive", "error": f"{type(error).__name__}: {error}"})
            return
        if left_out:
            self._note({"stage": "command", "event": "left out of the archive", "files": left_out})

    def _bring_logs(self) -> None:
        with contextlib.suppress(OSError), (self.out / "logs.txt").open("wb") as stream:
            for log in self._logs:
                stream.write(f"==> {log.name}\n".encode() + log.read_bytes()[-LOG_BYTES:])

    def _note(self, row: Row) -> None:
        rows.append(self.rows_file, row)

    @contextlib.contextmanager
    def _caught(self) -> Iterator[None]:
        def stop(number: int, frame: object) -> None:
            self.stopped = True

        before = {number: signal.signal(number, stop) for number in STOPS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def kill(*processes: subprocess.Popen[bytes]) -> None:
    """End processes with their groups: each may write where it is to its log, and has no longer than a moment."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for popen in processes:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(popen.pid, number)
        until = time.monotonic() + KILL_SECONDS
        for popen in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                popen.wait(timeout=max(0.01, until - time.monotonic()))


def tail(log: Path) -> Row:
    """The last lines of a log."""
    try:
        return {"stderr": log.read_text(errors="replace").strip().splitlines()[-LAST_LINES:]}
    except OSError:
        return {}
