"""Costs of cells, their order, and what they ask of a machine."""

import pytest

from mmcr_core.config.run import BudgetSpec, DatasetSpec, EvaluateSpec
from mmcr_core.training.evaluation_flops import evaluation_flops
from mmcr_core.training.flops import flops_per_step
from mmcr_core.training.memory import WORKSPACE_BYTES, memory_bytes
from sweeps.config.settings import ResourceSettings
from sweeps.planning.machine import Machine
from sweeps.planning.plan import CELL_OVERHEAD_SECONDS, plan, remaining
from sweeps.planning.plan_warnings import measuring_warning
from sweeps.planning.schedule import makespan_seconds, schedule
from sweeps.planning.speed import Speed

CPU = Machine(gpus=0, cpus=2, gpu_memory_bytes=0, flops_per_second=1e11)
GPU = Machine(gpus=2, cpus=16, gpu_memory_bytes=80 << 30, flops_per_second=5e14)


def test_cells_cost_their_steps_and_the_most_expensive_come_first(paper):
    cells = plan(paper, ResourceSettings(), CPU)
    assert len(cells) == 75
    seconds = [cell.seconds for cell in cells]
    assert seconds == sorted(seconds, reverse=True)
    for cell in cells:
        assert cell.steps == 100 * (105_000 // cell.spec.P)
        assert cell.images == cell.steps * cell.spec.P
        assert cell.flops == cell.steps * flops_per_step(cell.spec)


def test_a_cell_that_goes_on_costs_what_is_left_of_it(paper):
    first, second, *_ = plan(paper, ResourceSettings(), CPU)
    (other, rest) = remaining([first, second], {first.run_id: 3 * first.steps // 4})
    assert other is second and rest.run_id == first.run_id and rest.steps == first.steps
    assert rest.flops == pytest.approx(first.flops / 4, rel=1e-3)
    training = first.seconds - first.measuring_seconds - CELL_OVERHEAD_SECONDS
    assert rest.seconds == pytest.approx(CELL_OVERHEAD_SECONDS + training / 4 + rest.measuring_seconds, rel=1e-3)


def test_compute_is_proportional_to_views_and_nearly_equal_across_p_and_d(paper):
    flops = {(c.spec.P, c.spec.D, c.spec.K): c.flops for c in plan(paper, ResourceSettings(), CPU)}
    assert flops[64, 64, 8] / flops[64, 64, 2] == pytest.approx(4, rel=1e-3)
    assert flops[1024, 64, 2] / flops[64, 64, 2] == pytest.approx(1, rel=0.03)


def test_automatic_resources_fill_the_machine(paper):
    assert {(c.gpus, c.cpus) for c in plan(paper, ResourceSettings(), CPU)} == {(0, 1)}
    shares = {c.gpus for c in plan(paper, ResourceSettings(), GPU)}
    assert shares <= {1, 1 / 2, 1 / 3, 1 / 4} and min(shares) < 1
    small = Machine(1, 8, 6 << 30, 1e14)
    by_share = {(c.spec.P, c.spec.K): c.gpus for c in plan(paper, ResourceSettings(), small)}
    assert by_share[1024, 8] == 1


def test_on_a_cpu_fewer_cells_run_at_once_where_memory_is_short(paper):
    big = max(paper, key=lambda cell: cell.P * cell.K)
    cells = (big, *(cell for cell in paper[:9] if cell != big))

    def cores(memory):
        planned = plan(cells, ResourceSettings(), Machine(0, 8, 0, 1e11, memory))
        return next(cell.cpus for cell in planned if cell.spec == big)

    need = memory_bytes(big, 113_000)
    assert cores(100 * need) == 1
    assert cores(3 * need) == 4  # two at once
    assert cores(need) == 8


def test_on_a_gpu_the_workspaces_of_its_matrix_library_are_added_to_an_estimate(paper):
    (gpu,), (cpu,) = (plan(paper[:1], ResourceSettings(), machine) for machine in (GPU, CPU))
    assert gpu.memory_bytes - cpu.memory_bytes == WORKSPACE_BYTES == 96 << 20


@pytest.mark.parametrize("memory", [1 << 30, 1 << 50])
@pytest.mark.parametrize("cores", [1, 2, 64])
def test_a_run_has_one_thread_whatever_the_machine_and_whatever_else_runs(paper, cores, memory):
    for cells in (paper, paper[:1]):
        assert {cell.threads for cell in plan(cells, ResourceSettings(), Machine(0, cores, 0, 1e11, memory))} == {1}
    assert plan(paper[:1], ResourceSettings(cpus=4.0), CPU)[0].threads == 4


def test_given_resources_are_kept(paper):
    (cell,) = plan(paper[:1], ResourceSettings(gpus=0.25, cpus=3.0), GPU)
    assert (cell.gpus, cell.cpus) == (0.25, 3)


def test_measuring_is_part_of_a_cells_time_and_loading_comes_once_before_all(digits_spec, monkeypatch):
    monkeypatch.setattr("mmcr_core.data.registry.load_seconds", lambda dataset: 100.0)
    specs = tuple(digits_spec(seed=seed, evaluate=EvaluateSpec(20, "knn")) for seed in range(4))
    slow, quick = Speed(1e9, 1e6), Speed(1e9, 1e9)
    cells = plan(specs, ResourceSettings(), CPU, speed=lambda spec: slow)
    flops = evaluation_flops(specs[0], 1437, 360)
    assert cells[0].measuring_seconds == pytest.approx(flops / 1e6)
    assert [start for start, _ in schedule(cells, CPU)][:2] == [100, 100]
    assert makespan_seconds(cells, CPU) == pytest.approx(100 + 2 * cells[0].seconds)
    other = plan(specs, ResourceSettings(), CPU, speed=lambda spec: quick)
    assert cells[0].seconds - other[0].seconds == pytest.approx(flops / 1e6 - flops / 1e9)
    said = measuring_warning(cells)
    assert said.startswith("Loading and measuring take longer than training in 4 of 4 cells, such as P = 16, D = 8, K")
    assert "loading 1 min 40 s (once)" in said and "probe_images" in said
    long = plan((digits_spec(budget=BudgetSpec(steps=10**6)),), ResourceSettings(), CPU)
    assert measuring_warning(long) == ""


def test_a_limit_shortens_epochs(digits_spec):
    limited = digits_spec(dataset=DatasetSpec("digits", limit=160), budget=BudgetSpec(epochs=3.0))
    assert plan((limited,), ResourceSettings(), CPU)[0].steps == 30
