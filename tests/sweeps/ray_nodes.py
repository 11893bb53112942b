"""Ray nodes as separate processes on this machine, as people start them by `ray start`."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

Start = Callable[[int], "subprocess.Popen[bytes]"]


@contextlib.contextmanager
def ray_nodes(head_cpus: int) -> Iterator[tuple[str, Start]]:
    """Address of a head with so many cores, and a function that adds a node of so many: all on the loopback address,
    with one token, which is in the environment within."""
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: sockets lie in it
    (folder / "token").write_text("0123456789abcdef" * 4)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> subprocess.Popen[bytes]:
        ray = str(Path(sys.executable).with_name("ray"))
        command = [ray, "start", *options, "--block", "--disable-usage-stats", "--node-ip-address=127.0.0.1"]
        # Its own: of one folder, nodes that start at once take the same names of sockets, and one raylet dies.
        command.append(f"--temp-dir={folder / str(len(started))}")
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return started[-1]

    with pytest.MonkeyPatch.context() as environment:
        for name, value in (("MODE", "token"), ("TOKEN_PATH", str(folder / "token"))):
            environment.setenv(f"RAY_AUTH_{name}", value)
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        start("--head", f"--port={port}", f"--num-cpus={head_cpus}", "--include-dashboard=false")
        until = time.monotonic() + 300
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.1)
        try:
            yield f"127.0.0.1:{port}", lambda cpus: start(f"--address=127.0.0.1:{port}", f"--num-cpus={cpus}")
        finally:
            for process in started:
                for member in family(process):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        member.kill()
            shutil.rmtree(folder, ignore_errors=True)


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """A process with all below it; nothing where it has ended."""
    if process.poll() is not None:
        return []
    first = psutil.Process(process.pid)
    return [first, *first.children(recursive=True)]
