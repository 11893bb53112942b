"""How many steps a file of W&B's offline mode has: its last block is lost where a process is killed.

The file is 7 bytes, then LevelDB's log format (records in blocks of 32 KiB, each part with checksum, length and kind),
a protobuf message per record.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

BLOCK, HEADER, BEGINNING = 32768, 7, 7
PADDING, WHOLE, FIRST, LAST = 0, 1, 2, 4


def steps_in(file: Path) -> int:
    """One more than the last step that was logged to `file`; 0 where none was."""
    from wandb.proto.wandb_internal_pb2 import Record

    messages = map(Record.FromString, records(file.read_bytes()))
    steps = [message.history.step.num for message in messages if message.WhichOneof("record_type") == "history"]
    return max(steps, default=-1) + 1


def records(content: bytes) -> Iterator[bytes]:
    """The whole records of a file, in order."""
    at, record = BEGINNING, b""
    while at + HEADER <= len(content):
        if (left := BLOCK - at % BLOCK) < HEADER:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, at)
        at += HEADER + length
        if kind == PADDING or at > len(content):
            return
        part = content[at - length : at]
        record = part if kind in (WHOLE, FIRST) else record + part
        if kind in (WHOLE, LAST):
            yield record
