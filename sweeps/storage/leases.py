"""Who trains a cell: a lease is a small file that names its owner and is touched while the owner lives.

A lease is made by linking a complete file to its name, which exactly one of several processes can do. It
lapses at once where its owner's process is gone from this machine, and after LEASE_SECONDS without a touch
where the owner is on another.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from sweeps.storage.filesystems import create_exclusively, is_local, modified, raise_unless_damaged, touch

log = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
TOUCH_SECONDS = 10.0


@dataclass(frozen=True)
class Owner:
    """A process of a launch. `machine` is a host and its namespace of process ids."""

    launch: str
    machine: str
    pid: int
    started: float

    @staticmethod
    def here(launch: str) -> Owner:
        """This process."""
        return Owner(launch, machine(), os.getpid(), psutil.Process().create_time())


class Lease:
    """The lease at `path`, for a process of the launch `launch`."""

    def __init__(self, path: Path, launch: str) -> None:
        self._path, self._owner = path, Owner.here(launch)
        self._of_version_0_1 = path.parent.parent / "claims" / path.name  # a living owner there is honored
        self._content = json.dumps(asdict(self._owner)).encode()
        self._released = threading.Event()
        self._lost = False
        self.gone = False  # its file, without another owner's in its place

    def take(self) -> Owner | None:
        """Take the lease and keep it alive; or return the owner that has it. A lease of the same launch is
        replaced: its scheduler never runs a cell twice at once, so the earlier process is gone."""
        while True:
            earlier = self._read(self._of_version_0_1)
            if earlier is not None and self._alive(earlier, self._of_version_0_1):
                return earlier
            if create_exclusively(self._path, self._content):
                with contextlib.suppress(OSError):
                    self._of_version_0_1.unlink(missing_ok=True)  # lapsed
                log.info("lease %s taken", self._path)
                threading.Thread(target=self._keep_alive, daemon=True).start()
                return None
            found = self._read(self._path)
            if found is not None and found.launch != self._owner.launch and self._alive(found, self._path):
                return found
            log.info("lease %s of %s has lapsed", self._path, found or "nobody")
            self._remove_lapsed(found)

    def held(self) -> bool:
        """Whether a living process has the lease; for onlookers."""
        owners = {path: self._read(path) for path in (self._path, self._of_version_0_1)}
        return any(owner is not None and self._alive(owner, path) for path, owner in owners.items())

    @property
    def file(self) -> Path:
        """Where it is or would be; of version 0.1 elsewhere."""
        return self._of_version_0_1 if self._of_version_0_1.exists() and not self._path.exists() else self._path

    @property
    def lost(self) -> bool:
        """Whether another process has taken the lease in the meantime; its cell is no longer ours to write."""
        return self._lost

    def release(self) -> None:
        """Give the lease back, if it is still ours."""
        self._released.set()
        with contextlib.suppress(OSError):  # a read-only disk: the lease lapses by itself
            if self._read(self._path) == self._owner:
                self._path.unlink(missing_ok=True)

    def _remove_lapsed(self, expected: Owner | None) -> None:
        """Remove a lapsed lease; one that has been renewed under our eyes is put back."""
        if not is_local(self._path):
            if self._read(self._path) == expected:
                self._path.unlink(missing_ok=True)
            return
        aside = self._path.with_name(f".{self._path.name}.{uuid.uuid4().hex}")
        with contextlib.suppress(FileNotFoundError):
            self._path.rename(aside)
            if self._read(aside) != expected:
                with contextlib.suppress(FileExistsError):
                    os.link(aside, self._path)
            aside.unlink()

    def _alive(self, owner: Owner, path: Path) -> bool:
        if owner.machine == machine():
            try:
                process = psutil.Process(owner.pid)
                ended = process.status() == psutil.STATUS_ZOMBIE  # its parent has not asked how yet, and may never
                return not ended and bool(abs(process.create_time() - owner.started) < 1)
            except psutil.NoSuchProcess:
                return False
        with contextlib.suppress(FileNotFoundError):
            return time.time() - modified(path) < LEASE_SECONDS
        return False

    def _read(self, path: Path) -> Owner | None:
        try:
            return Owner(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise_unless_damaged(error, path)
            return None

    def _keep_alive(self) -> None:
        while not self._released.wait(TOUCH_SECONDS) and not self._lost:
            with contextlib.suppress(OSError):  # that cannot be read or touched now says nothing of its owner
                if (found := self._read(self._path)) == self._owner:
                    touch(self._path, self._content)
                    continue
                self.gone = found is None and not self._path.exists()
                self._lost = True
                log.warning("lease %s %s", self._path, "is gone" if self.gone else "was lost to another launch")


def machine() -> str:
    """Host name, and where there is one the namespace in which process ids mean something."""
    namespace = Path("/proc/self/ns/pid")
    return socket.gethostname() + (f" {os.readlink(namespace)}" if namespace.exists() else "")
