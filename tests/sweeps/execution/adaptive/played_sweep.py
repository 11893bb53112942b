"""A sweep whose runs are made up: errors that fall by a law, written to a store as the executor writes them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from mmcr_core.config.defaults import run_spec
from mmcr_core.config.run import BudgetSpec, DatasetSpec, EvaluateSpec, ProjectorSpec
from mmcr_core.config.run_id import run_id
from sweeps.execution.adaptive.candidates import candidates
from sweeps.execution.adaptive.scheduler import Scheduler
from sweeps.execution.adaptive.until import parse_until
from sweeps.execution.run_metadata import describe_run
from sweeps.storage.decisions import read_decision, write_decision
from sweeps.storage.run_status import RunStatus
from sweeps.storage.sweep_store import Store

STEPS = 400
START = datetime(2026, 1, 1, tzinfo=UTC)


def spec(P=16, D=16, K=2, seed=0, **changes):
    given = {"dataset": DatasetSpec("digits"), "projector": ProjectorSpec((64,)), "budget": BudgetSpec(steps=STEPS)}
    return run_spec(**(given | {"P": P, "D": D, "K": K, "seed": seed, "evaluate": EvaluateSpec(2, "none")} | changes))


def grid(P=(8, 16, 32, 64), D=(8, 16, 32, 64), **changes):
    return [spec(p, d, **changes) for p in P for d in D]


def errors(cell, steps=STEPS):
    """Percent errors of a run's steps, (steps,)."""
    rng = np.random.default_rng([cell.P, cell.D, cell.K, cell.seed])
    law = 0.02 + 0.5 * (cell.P / 64) ** 0.2 * (cell.D / 64) ** 0.1 * ((np.arange(steps) + 30) / 64) ** -0.5
    return law * np.exp(0.01 * rng.standard_normal() + 0.03 * rng.standard_normal(steps))


class PlayedSweep:
    """Trains cells in no time; `clock` is when the next rung ends; `errors`: of a cell's steps."""

    def __init__(self, root, cells, until="5%", errors=errors):
        self.errors = errors
        self.store, self.cells = Store(root), {run_id(cell): cell for cell in cells}
        self.until = parse_until(until)
        self.clock = START

    def scheduler(self, launch="launch", **options):
        return Scheduler(self.store, candidates(list(self.cells.values())), self.until, launch, **options)

    def begin(self, decision):
        if read_decision(self.store.root, decision.run_id, decision.rung) is None:
            write_decision(self.store.root, decision)

    def write_steps(self, key, steps):
        cell, step = self.cells[key], np.arange(steps)
        ones, error = np.ones(steps), self.errors(cell)[:steps]
        columns = {"step": step, "images": (step + 1) * cell.P, "flops": (step + 1.0), "percent_error": error}
        columns |= dict.fromkeys(("nuclear_norm", "loss", "reconstruction", "uniformity", "learning_rate"), ones)
        self.store.write_chunk(key, 0, steps - 1, columns)

    def write_row(self, key, status=RunStatus.FINISHED):
        self.clock += timedelta(seconds=1)
        (run,) = candidates([self.cells[key]])
        ended = {"status": status, "steps": STEPS, "finished_at": self.clock, "flops_per_step": run.flops / STEPS}
        self.store.write_run(describe_run(self.cells[key], "s") | ended)

    def end(self, decision):
        self.write_steps(decision.run_id, decision.steps)
        tail = self.errors(self.cells[decision.run_id])[: decision.steps][-max(1, round(0.05 * decision.steps)) :]
        self.clock += timedelta(seconds=1)
        begun = read_decision(self.store.root, decision.run_id, decision.rung)
        write_decision(self.store.root, replace(begun, measured=float(tail.mean()), ended_at=self.clock))
        if decision.rung < 1:
            return RunStatus.PAUSED
        self.write_row(decision.run_id)
        return RunStatus.FINISHED

    def train(self, decision):
        self.begin(decision)
        return self.end(decision)

    def play(self, scheduler, most=1000):
        """Until the scheduler has enough, or for so many rungs; what it decided."""
        found = []
        while len(found) < most and (decision := scheduler.next()):
            scheduler.returned(decision, self.train(decision))
            found.append(decision)
        return found


def what(decisions):
    """What decisions say, but for who took them and when."""
    return [(one.run_id, one.rung, one.number, one.fall_per_flop, one.mean, one.sd) for one in decisions]
