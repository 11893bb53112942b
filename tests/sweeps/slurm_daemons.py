"""A Slurm of two nodes on this machine, for tests: its own munged, slurmctld and two slurmd, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol")
KILL_WAIT_SECONDS = 30  # Slurm's default, between the SIGTERM and the SIGKILL of scancel and of preemption
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
KillWait={kill_wait}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{ports[1]}-{ports[2]}] CPUs={cpus} RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""  # noqa: E501


def installed() -> bool:
    """Whether the daemons are there and may be started: they want root."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return os.geteuid() == 0 and all(shutil.which(program, path=path) for program in PROGRAMS)


@dataclass(frozen=True)
class Slurm:
    """A running Slurm, with the environment its commands need."""

    folder: Path
    environment: dict[str, str]

    def command(self, *words: object, cwd: Path | None = None, **more: str) -> str:
        """Output of one of Slurm's commands, with `more` in its environment; raises where it fails."""
        command, environment = list(map(str, words)), self.environment | more
        ran = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, f"{command}: {ran.stderr}"
        return ran.stdout.strip()

    def job(self, job: str) -> dict[str, str]:
        """What `scontrol show job` says of a job, or of one task of an array."""
        return dict(
            word.split("=", 1) for word in self.command("scontrol", "show", "job", "-o", job).split() if "=" in word
        )


@contextlib.contextmanager
def slurm_of_two_nodes() -> Iterator[Slurm]:
    """Start the daemons, wait until both nodes are idle, and stop them at the end, each by its process id."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # short: a socket lies in it
    environment = os.environ | {
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
    }
    for name in [name for name in environment if name.startswith(("SLURM_", "SBATCH_")) and name != "SLURM_CONF"]:
        del environment[name]
    (folder / "state").mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    (folder / "slurm.conf").write_text(
        CONFIGURATION.format(
            host=socket.gethostname().split(".")[0],
            folder=folder,
            ports=_three_ports(),
            cpus=os.cpu_count(),
            kill_wait=KILL_WAIT_SECONDS,
        )
    )
    slurm = Slurm(folder, environment)
    files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid", "seed-file": "munge.seed"}
    munged = ["munged", "--foreground", "--force", *(f"--{option}={folder / name}" for option, name in files.items())]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for command in (munged, ["slurmctld", "-D"], ["slurmd", "-D", "-N", "n1"], ["slurmd", "-D", "-N", "n2"]):
            log = (folder / f"{command[0]}-{len(started)}.out").open("wb")
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            until = time.monotonic() + 10
            while command is munged and not (folder / "munge.socket").exists() and time.monotonic() < until:
                time.sleep(0.1)
        until = time.monotonic() + 60
        while _states(slurm) != ["idle", "idle"]:
            ended = [process.args for process in started if process.poll() is not None]
            assert not ended and time.monotonic() < until, f"no Slurm: {ended} {_states(slurm)} {_tails(folder)}"
            time.sleep(0.5)
        yield slurm
    finally:
        with contextlib.suppress(AssertionError):
            slurm.command("scancel", "--user=root")
        for process in reversed(started):
            process.terminate()
        for process in started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _three_ports() -> tuple[int, int, int]:
    """Three free ones, the last two of them neighbors."""
    for first in range(17000, 18000, 7):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + 3):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first, first + 1, first + 2
    raise AssertionError("no three free ports from 17000 to 18000")


def _states(slurm: Slurm) -> list[str]:
    with contextlib.suppress(AssertionError):
        return slurm.command("sinfo", "--noheader", "--Node", "--format=%t").split()
    return []


def _tails(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text(errors="replace")[-1000:] for file in sorted(folder.glob("*.[lo][ou][gt]"))}
