"""When the cells of a plan start and end."""

import pytest

from sweeps.config.settings import ResourceSettings
from sweeps.planning.plan import plan
from sweeps.planning.schedule import makespan_seconds, schedule
from tests.sweeps.planning.test_plan import CPU, GPU


def test_the_makespan_divides_by_the_slots(paper):
    cells = plan(paper, ResourceSettings(), CPU)
    total = sum(cell.seconds for cell in cells)
    assert makespan_seconds(cells, CPU) == pytest.approx(total / 2, rel=0.05)
    assert makespan_seconds(cells, CPU, max_concurrent=1) == pytest.approx(total)
    assert makespan_seconds([], CPU) == 0


def test_the_schedule_fills_each_slot_without_gaps(paper):
    cells = plan(paper, ResourceSettings(), CPU)
    times = schedule(cells, CPU)
    assert [start for start, _ in times[:2]] == [0, 0]
    for (start, end), cell in zip(times, cells, strict=True):
        assert end - start == pytest.approx(cell.seconds)
        assert sum(other_start <= start < other_end for other_start, other_end in times) <= 2
    shared = plan(paper[:8], ResourceSettings(gpus=0.5), GPU)
    assert [start for start, _ in schedule(shared, GPU)].count(0) == 4
