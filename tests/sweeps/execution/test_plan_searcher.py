from types import SimpleNamespace

from ray.tune.search import Searcher

from sweeps.execution.ray.plan_searcher import PlanSearcher, resources


def test_each_cell_is_suggested_once_in_the_order_of_the_plan_with_its_resources():
    cells = [SimpleNamespace(run_id="b", cpus=1.0, gpus=0.25), SimpleNamespace(run_id="a", cpus=2.0, gpus=0.0)]
    searcher = PlanSearcher(cells)
    suggested = [searcher.suggest(f"trial-{i}") for i in range(4)]
    assert [each["run_id"] for each in suggested[:2]] == ["b", "a"]
    assert [resources(each) for each in suggested[:2]] == [{"cpu": 1.0, "gpu": 0.25}, {"cpu": 2.0, "gpu": 0.0}]
    assert suggested[2:] == [Searcher.FINISHED] * 2
