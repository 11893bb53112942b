from types import SimpleNamespace

import pytest
from ray.tune.search import Searcher

from sweeps.execution.ray.plan_searcher import MOST, PlanSearcher, grouped, resources


def test_each_trial_is_suggested_once_in_the_order_of_the_plan_with_its_resources():
    first, *others = [SimpleNamespace(run_id=name, cpus=2.0, gpus=0.25 * (name == "b")) for name in "bac"]
    searcher = PlanSearcher([[first], others])
    suggested = [searcher.suggest(f"trial-{i}") for i in range(4)]
    assert [each["run_ids"] for each in suggested[:2]] == [["b"], ["a", "c"]]
    assert [resources(each) for each in suggested[:2]] == [{"cpu": 2.0, "gpu": 0.25}, {"cpu": 2.0, "gpu": 0.0}]
    assert suggested[2:] == [Searcher.FINISHED] * 2


@pytest.mark.parametrize(
    ("count", "slots", "seconds", "gpus", "largest"),
    [
        (10_000, 2, 0.5, 0.0, MOST),
        (10_000, 100, 0.5, 0.0, 12),
        (10_000, 2, 5.0, 0.0, 1),  # long enough alone
        (10_000, 2, 0.5, 0.25, 1),
        (15, 2, 0.5, 0.0, 1),
    ],
)
def test_short_cells_share_trials_where_there_are_many(count, slots, seconds, gpus, largest):
    cells = [SimpleNamespace(run_id=str(i), cpus=1.0, gpus=gpus, seconds=seconds) for i in range(count)]
    trials = list(grouped(cells, slots))
    assert [cell for trial in trials for cell in trial] == cells
    assert max(map(len, trials)) == largest


def test_cells_of_a_trial_need_the_same_cores():
    cells = [SimpleNamespace(run_id=str(i), cpus=1.0 + (i >= 50), gpus=0.0, seconds=0.5) for i in range(100)]
    assert all(len({cell.cpus for cell in trial}) == 1 for trial in grouped(cells, 1))
