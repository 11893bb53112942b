"""TensorBoard: event files in `tensorboard/RUN_ID` of the sweep's folder, a scalar per step and metric."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from mmcr_core.training import Chunk
from sweeps.monitoring.trackers.tracker import TrackedRun


class TensorBoardTracker:
    """Writes events itself, one per step: tensorboardX's SummaryWriter has a queue that flushing does not empty. Steps
    that an earlier process wrote behind those it is known to have written are replaced."""

    def start(self, run: TrackedRun) -> int:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        folder = run.root / "tensorboard" / run.run_id
        logged = run.logged if any(folder.glob("events*")) else 0
        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventsWriter(str(folder / "events"), f".{os.getpid()}")
        begin = SessionLog(status=SessionLog.START)
        self._writer.write_event(Event(wall_time=time.time(), step=logged, session_log=begin))
        return logged

    def log(self, chunk: Chunk) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        now, names = time.time(), [name for name in chunk.columns if name != "step"]
        for i, step in enumerate(chunk.columns["step"]):
            values = [Summary.Value(tag=name, simple_value=float(chunk.columns[name][i])) for name in names]
            self._writer.write_event(Event(wall_time=now, step=int(step), summary=Summary(value=values)))
        self._writer.flush()

    def finish(self, row: Mapping[str, Any] | None) -> None:
        self._writer.close()
