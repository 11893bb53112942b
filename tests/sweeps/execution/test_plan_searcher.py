from ray.tune.search import Searcher

from sweeps.execution.ray.plan_searcher import PlanSearcher


def test_each_cell_is_suggested_once_in_the_order_of_the_plan():
    searcher = PlanSearcher({"b": 1, "a": 2})
    suggested = [searcher.suggest(f"trial-{i}") for i in range(4)]
    assert suggested == [{"run_id": "b"}, {"run_id": "a"}, Searcher.FINISHED, Searcher.FINISHED]
