"""Ray itself: a local one for this sweep, or the cluster that runs at an address."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants

from sweeps.cli.errors import UserError
from sweeps.planning.cpu_count import usable_cores

CONNECT_SECONDS = 5
SETTINGS = 4  # type of an HTTP/2 frame
MAX_FOLDER_BYTES = 36  # of 107, Ray's own /ray/session_DATE_TIME_PID/sockets/plasma_store needs the rest


class ClusterError(UserError):
    """The cluster cannot run the plan; the message says what would."""


@dataclass(frozen=True)
class Cluster:
    """What the connected Ray offers, and a folder for its own state that ends with the connection."""

    gpus: float
    cpus: float
    folder: Path


@contextlib.contextmanager
def cluster(address: str | None) -> Iterator[Cluster]:
    """A local Ray for this sweep, or the running one at `address`.

    Raises: ClusterError where nothing answers at `address`.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"  # else Tune prints a banner whatever its verbosity
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"  # theirs keep state of every trial that has ended
    os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "200")  # so that a cluster that grows sees what is to come
    if address is not None:
        _require_answer(address)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        # Ray's 15 leaves a cell a thirtieth of a core beside any other busy process; cells are what the machine is for.
        os.environ.setdefault("RAY_worker_niceness", "0")
        options |= {"include_dashboard": False, "num_cpus": usable_cores(), "_temp_dir": _short_folder()}
        # Nothing listens to the outside: Ray's processes then take the loopback address, as they do by default
        # on macOS and Windows, and bind to that alone.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        with _signals_kept():
            ray.init(address=address or "local", **options)
    except Exception as error:  # a machine too busy to start its processes in time is a plain Exception of Ray's
        reason = " ".join(str(error).split())
        what = f"no Ray cluster answers at {address}" if address else "Ray does not start on this machine"
        raise ClusterError(f"{what}: {reason}") from error
    folder = Path(tempfile.mkdtemp(prefix="mmcr-sweeps-ray-"))
    try:
        total = ray.cluster_resources()
        yield Cluster(total.get("GPU", 0.0), total.get("CPU", 0.0), folder)
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray's processes, which are started within, never see SIGHUP and SIGTERM, which a closed terminal, a batch system
    and `timeout` send to all processes at once: they outlive them long enough for the cells' checkpoints. SIGTERM is
    blocked, since they set handlers of their own. Afterwards both are ours again: Ray's own handler prints the stack of
    its C++, and a second signal aborts it. One that arrives within is heard then."""
    before = {
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_IGN),
        signal.SIGTERM: signal.getsignal(signal.SIGTERM),
    }
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)


def _short_folder() -> str | None:
    """Where Ray puts its sockets, whose whole path the system limits to some hundred bytes, and Ray to ASCII; None for
    Ray's choice."""
    folder = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    if len(folder) <= MAX_FOLDER_BYTES and folder.isascii():
        return None
    if os.access("/tmp", os.W_OK):
        return "/tmp/ray"
    raise ClusterError(f"TMPDIR {folder} is too long for Ray's sockets, or not ASCII; set RAY_TMPDIR to another folder")


def _require_answer(address: str) -> None:
    """Raises ClusterError where no Ray listens at `address`, for which Ray itself would wait for minutes."""
    current = Path(tempfile.gettempdir(), "ray", "ray_current_cluster")
    known = os.environ.get("RAY_ADDRESS") or (current.read_text().strip() if current.exists() else "")
    place = known if address == "auto" else address
    host, _, port = place.removeprefix("ray://").rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS) as connection:
            speaks = os.environ.get("RAY_USE_TLS", "0") != "0" or _speaks_http2(connection)
    except (OSError, ValueError):
        speaks = False
    if not speaks:
        where = f"{address} ({place})" if address == "auto" and place else address
        remedy = "start one with: ray start --head, or leave the address out to run on this machine"
        raise ClusterError(f"no Ray cluster answers at {where}; {remedy}")


def _speaks_http2(connection: socket.socket) -> bool:
    """Whether the other side answers HTTP/2's preface with a frame of settings, as Ray's gRPC does and others don't
    (RFC 9113, section 3.4)."""
    connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, SETTINGS, 0, 0, 0, 0, 0)))
    answer = b""
    while len(answer) < 4 and (part := connection.recv(9)):
        answer += part
    return len(answer) >= 4 and answer[3] == SETTINGS
