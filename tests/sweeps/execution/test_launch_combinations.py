"""Retries, the time limit, Ctrl-C and another launch on the same store, in all sixteen combinations: which cells are
tried again, which are waited for, and how the launch ends. Rounds under Ray are played; everything else is real."""

import itertools
import time

import pytest

from sweeps.config.settings import GridSettings, ResourceSettings
from sweeps.execution.ray import ray_tune
from sweeps.execution.ray.ray_tune import Launch
from sweeps.execution.run_executor import RunExecutor
from sweeps.monitoring.launch_outcome import Ending, Outcome, StopReason
from sweeps.monitoring.summary import show
from sweeps.planning.launch_limits import Limits
from sweeps.planning.machine import Machine
from sweeps.planning.plan import plan
from sweeps.planning.sweep import Sweep
from sweeps.storage.run_status import RunStatus
from sweeps.storage.sweep_store import Store
from tests.sweeps.execution.test_run_executor import to_end

KINDS = ("good", "failing", "elsewhere")  # a cell that finishes, one that fails once, one that another launch trains


class Silent:
    def noted(self, note):
        self.note = note


class Played(Launch):
    """A launch whose rounds end as they are told, the first of them interrupted where that is asked for."""

    def _run_once(self, cells, *, alone=False, calibrate=False):
        self.rounds.append([self.kinds[cell.run_id] for cell in cells])
        outcome = Outcome()
        for cell in cells:
            kind = self.kinds[cell.run_id]
            if kind == "failing" and len(self.rounds) == 1:
                outcome.add(cell.run_id, Ending(StopReason.ERROR, "ValueError: no"))
            elif kind == "elsewhere" and len(self.rounds) == 1:
                outcome.add(
                    cell.run_id, Ending(StopReason.ELSEWHERE, "left to the launch that trains it, process 1 on h")
                )
            else:
                outcome.add(cell.run_id, None)
        if self.interrupted_in_round == len(self.rounds):
            outcome.interrupted = True
        return outcome


def played(retries, time_is_up, ctrl_c, other, tmp_path, digits_spec, monkeypatch):
    kinds = [kind for kind in KINDS if other or kind != "elsewhere"]
    specs = tuple(digits_spec(seed=seed) for seed in range(len(kinds)))
    cells = plan(specs, ResourceSettings(), Machine(0, 2, 0, 1e11))
    store = Store(tmp_path / "s")
    limits = Limits(deadline=time.monotonic() + (-1 if time_is_up else 1e6))
    launch = Played(GridSettings(name="s", retries=retries), store, Silent(), tmp_path, limits)
    by_spec = dict(zip(specs, kinds, strict=True))
    object.__setattr__(launch, "kinds", {cell.run_id: by_spec[cell.spec] for cell in cells})
    object.__setattr__(launch, "rounds", [])
    object.__setattr__(launch, "interrupted_in_round", 1 if ctrl_c or time_is_up else None)
    if other:  # the other launch finishes while this one waits

        def finish(seconds):
            to_end(RunExecutor(specs[kinds.index("elsewhere")], store, "s"))

        monkeypatch.setattr(ray_tune.time, "sleep", finish)
        held = iter([True])
        monkeypatch.setattr("sweeps.storage.leases.Lease.held", lambda lease: next(held, False))
    outcome = launch.run(cells)
    sweep = Sweep(launch.settings, specs, specs, "", str(tmp_path), store)
    return launch, outcome, show(sweep, outcome, as_json=False)


@pytest.mark.parametrize(
    ("retries", "time_is_up", "ctrl_c", "other"), list(itertools.product((0, 1), *[(False, True)] * 3))
)
def test_every_combination_ends_as_the_table_says(
    retries, time_is_up, ctrl_c, other, tmp_path, digits_spec, monkeypatch, capsys
):
    launch, outcome, code = played(retries, time_is_up, ctrl_c, other, tmp_path, digits_spec, monkeypatch)
    said = capsys.readouterr().out
    stopped = time_is_up or ctrl_c
    again = [["failing"]] if retries and not stopped else []
    assert launch.rounds[1:] == again
    failed, left = outcome.with_status(RunStatus.FAILED), outcome.with_status(RunStatus.LEFT)
    assert len(failed) == (0 if again else 1)
    assert len(left) == (1 if other and stopped else 0)  # waited for, unless the launch itself has to stop
    assert outcome.timed_out == time_is_up
    assert code == (1 if time_is_up else 130 if ctrl_c else 1 if failed else 0)
    assert ("stopped at the time limit" in said) == time_is_up
    assert ("interrupted" in said) == (ctrl_c and not time_is_up)


def test_a_cell_that_the_other_launch_gives_up_is_trained_here(tmp_path, digits_spec, monkeypatch):
    monkeypatch.setattr(ray_tune.time, "sleep", lambda _: None)
    held = iter([True, True, False])
    monkeypatch.setattr("sweeps.storage.leases.Lease.held", lambda lease: next(held, False))
    spec = digits_spec()
    (cell,) = plan((spec,), ResourceSettings(), Machine(0, 2, 0, 1e11))
    launch = Played(GridSettings(name="s"), Store(tmp_path), Silent(), tmp_path, Limits())
    object.__setattr__(launch, "kinds", {cell.run_id: "elsewhere"})
    object.__setattr__(launch, "rounds", [])
    object.__setattr__(launch, "interrupted_in_round", None)
    outcome = launch.run([cell])
    assert launch.rounds == [["elsewhere"], ["elsewhere"]]
    assert outcome.finished == [cell.run_id]


def test_without_waiting_cells_of_another_launch_are_left_at_once(tmp_path, digits_spec):
    (cell,) = plan((digits_spec(),), ResourceSettings(), Machine(0, 2, 0, 1e11))
    launch = Played(GridSettings(name="s"), Store(tmp_path), Silent(), tmp_path, Limits(wait=False))
    object.__setattr__(launch, "kinds", {cell.run_id: "elsewhere"})
    object.__setattr__(launch, "rounds", [])
    object.__setattr__(launch, "interrupted_in_round", None)
    assert list(launch.run([cell]).unfinished) == [cell.run_id]
