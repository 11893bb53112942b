"""What a store holds of runs that were trained up to a rung, as points of a forecast."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from analysis.fitting.forecast.points import Array, Points, places, relative_error, rung_windows
from analysis.fitting.forecast.scales import Scale, shrunken
from mmcr_core.theory import PERCENT_ERROR
from sweeps.execution.adaptive.candidates import Candidate
from sweeps.execution.adaptive.rung import row_of
from sweeps.storage.sweep_store import Store


class Measurements:
    """Points of runs, read from a store once; `elsewhere`: run_id -> another store that it is in."""

    def __init__(
        self, store: Store, quantity: str, scale: Scale, runs: Sequence[Candidate],
        elsewhere: Mapping[str, Store] | None = None,
    ) -> None:  # fmt: skip
        self._store, self._quantity, self._scale, self._runs = store, quantity, scale, runs
        self._elsewhere = elsewhere or {}
        self._errors: dict[int, Array] = {}

    def read(self, numbers: Iterable[int]) -> None:
        """The trajectories of these runs, all at once."""
        wanted = {self._runs[number].run_id: number for number in numbers}
        if self._quantity == PERCENT_ERROR and wanted:
            for run_id, table in self._store.snapshot().trajectories(set(wanted), ("step", "percent_error")):
                self._errors[wanted[run_id]] = table["percent_error"].to_numpy()

    def points(self, number: int, rung: float) -> Points:
        """What run `number` measured up to a rung."""
        end = self._runs[number].steps_of(rung)
        return self._along(number, end) if self._quantity == PERCENT_ERROR else self._measured(number, end)

    def _along(self, number: int, end: int) -> Points:
        run = self._runs[number]
        errors = self._errors.get(number, np.zeros(0))
        if len(errors) < end:
            read = self._store_of(run).read_trajectory(run.run_id)["percent_error"].to_numpy()
            errors = self._errors[number] = read
        windows = [window for window in rung_windows(end, run.steps, run.settled) if window[1] <= len(errors)]
        windows = [
            (first, last) for first, last in windows if (errors[first:last] > 0).all()
        ]  # else it has no logarithm
        parts = [errors[first:last] for first, last in windows]
        means = np.array([part.mean() for part in parts])
        spread = np.array([relative_error(part) for part in parts])
        middles = [(first + last) / 2 for first, last in windows]
        return self._points(number, middles, means, (spread * means) ** 2)

    def _measured(self, number: int, end: int) -> Points:
        run, found = self._runs[number], []
        store = self._store_of(run)
        steps = (step for step in store.measured_steps(run.run_id) if max(1, run.settled) <= step <= end)
        for step in steps:
            if row := row_of(store.read_measures(run.run_id, step), self._quantity):
                found.append((step, row["value"], max(1, row["count"])))
        at, values, counts = (
            (np.array(column, float) for column in zip(*found, strict=True)) if found else np.zeros((3, 0))
        )
        shares = shrunken(values, counts)
        return self._points(number, at, shares, shares * (1 - shares) / counts)

    def _store_of(self, run: Candidate) -> Store:
        return self._elsewhere.get(run.run_id, self._store)

    def _points(self, number: int, steps: Sequence[float] | Array, numbers: Array, variance: Array) -> Points:
        run = self._runs[number]
        spec = run.spec
        at = places(spec.P, spec.D, spec.K, np.asarray(steps, float), run.baseline, run.variant, number, 1.0)
        slope = self._scale.slope(numbers)
        return replace(at, value=self._scale.transform(numbers), variance=variance / slope**2)
