"""One owner a cell, through races, death and take-over."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict

import psutil
import pytest

from sweeps.storage import leases
from sweeps.storage.leases import LEASE_SECONDS, Lease, Owner, machine
from tests.forks import FORKS


def write(path, owner, age=0.0):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(asdict(owner)))
    os.utime(path, (time.time() - age, time.time() - age))


def test_a_lease_is_taken_once_and_can_be_taken_again_when_released(tmp_path):
    first, second = (Lease(tmp_path / "c/r.json", launch) for launch in ("a", "b"))
    assert first.take() is None
    owner = second.take()
    assert (owner.launch, owner.pid) == ("a", os.getpid())
    first.release()
    assert second.take() is None
    second.release()
    assert list((tmp_path / "c").iterdir()) == []


def test_a_dead_process_of_this_machine_loses_its_lease_at_once(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    write(tmp_path / "r.json", Owner("a", machine(), dead.pid, time.time()))
    assert Lease(tmp_path / "r.json", "b").take() is None


def test_a_killed_process_that_its_parent_has_not_reaped_loses_its_lease_at_once(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as killed:
        owner = Owner("a", machine(), killed.pid, psutil.Process(killed.pid).create_time())
        write(tmp_path / "r.json", owner)
        assert Lease(tmp_path / "r.json", "b").take() == owner
        killed.kill()
        os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
        assert Lease(tmp_path / "r.json", "b").take() is None


def test_a_process_id_that_was_given_again_is_not_the_owner(tmp_path):
    write(tmp_path / "r.json", Owner("a", machine(), os.getpid(), 1.0))
    assert Lease(tmp_path / "r.json", "b").take() is None


@pytest.mark.parametrize(("age", "taken"), [(0, False), (LEASE_SECONDS - 10, False), (LEASE_SECONDS + 10, True)])
def test_a_lease_from_another_machine_lapses_without_a_touch(tmp_path, age, taken):
    write(tmp_path / "r.json", Owner("a", "elsewhere", 1, 1.0), age)
    assert (Lease(tmp_path / "r.json", "b").take() is None) == taken


def test_the_same_launch_takes_over(tmp_path):
    write(tmp_path / "r.json", Owner("a", "elsewhere", 1, 1.0))
    assert Lease(tmp_path / "r.json", "a").take() is None


def test_a_damaged_lease_is_replaced(tmp_path):
    (tmp_path / "r.json").write_text("{half")
    assert Lease(tmp_path / "r.json", "b").take() is None


def test_an_owner_keeps_its_lease_fresh_and_notices_when_it_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "TOUCH_SECONDS", 0.01)
    path = tmp_path / "r.json"
    lease = Lease(path, "a")
    lease.take()
    os.utime(path, (1, 1))
    until = time.monotonic() + 300
    while path.stat().st_mtime < 2 and time.monotonic() < until:
        pass
    assert path.stat().st_mtime > time.time() - 30
    assert not lease.lost
    other = Owner("b", "elsewhere", 1, 1.0)
    write(path, other)
    while not lease.lost and time.monotonic() < until:
        pass
    assert lease.lost and not lease.gone
    lease.release()
    assert json.loads(path.read_text()) == asdict(other)


def contend(folder, launch, ready, results):
    ready.wait()
    won = [i for i in range(40) if Lease(folder / f"{i}.json", launch).take() is None]
    results.put(won)
    ready.wait()  # stay alive until all have tried


def test_of_many_processes_exactly_one_gets_each_lease(tmp_path):
    for i in range(0, 40, 2):  # half of them lapsed, to be fought over
        write(tmp_path / f"{i}.json", Owner("gone", "elsewhere", 1, 1.0), LEASE_SECONDS * 2)
    ready, results = FORKS.Barrier(4), FORKS.Queue()
    processes = [FORKS.Process(target=contend, args=(tmp_path, f"l{n}", ready, results)) for n in range(4)]
    for process in processes:
        process.start()
    won = [results.get(timeout=300) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(i for each in won for i in each) == list(range(40))
